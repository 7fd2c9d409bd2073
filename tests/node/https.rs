//! The HTTP listeners: HTTPS, as a browser and a script of another machine see it, and clients that are slow.

use crate::printed;
use crate::support::{
    Authority, CtSlice, Holder, NodeSetup, PATIENCE, free_port, python, wait_until,
};
use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Output};

const UID: &str = "1.2.826.0.1.3680043.10.543.97";

/// What `requests` says of a URL when it believes the authority: the script prints.
fn script(authority: &Authority, body: &str) -> Output {
    let begins = "import requests, sys\nfrom requests.exceptions import SSLError, ConnectionError\n\
        s = requests.Session()\ns.verify = sys.argv[1]\ns.trust_env = False\n";
    Command::new(python())
        .args(["-c", &format!("{begins}{body}")])
        .arg(authority.file())
        .output()
        .unwrap()
}

fn said(authority: &Authority, body: &str) -> String {
    let output = script(authority, body);
    assert!(output.status.success(), "{}", printed(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn shows(holder: &Holder) -> String {
    format!(
        "certificate = \"{}\"\nkey = \"{}\"\n",
        holder.certificate.display(),
        holder.key.display()
    )
}

#[test]
fn other_machines_see_the_pages_by_https_and_only_as_users() {
    let hospital = Authority::new("hospital");
    let own = hospital.certify("irisnode");
    let port = free_port();
    let mut node = NodeSetup::default()
        .web(&format!("listen = \"0.0.0.0:{port}\"\n{}", shows(&own)))
        .prepare();
    let checked = node.command("check").output().unwrap();
    let words = printed(&checked);
    assert!(
        words.contains(&format!("https://0.0.0.0:{port}/, users of any machine")),
        "{words}"
    );
    assert!(words.contains("irisnode, until 2099-01-01"), "{words}");
    node.start();
    let page = format!("https://127.0.0.1:{port}");

    // Nobody is let in before there are users; what watches the node is.
    let nobody = said(
        &hospital,
        &format!(
            "a = s.get('{page}/')\nprint(a.status_code, a.text)\nprint(s.get('{page}/readyz').status_code)"
        ),
    );
    assert!(nobody.starts_with("403 "), "{nobody}");
    assert!(nobody.contains("irisnode web user add"), "{nobody}");
    assert!(nobody.trim_end().ends_with("200"), "{nobody}");

    assert!(node.add_user("ada", "admin", "a long password"));
    let user = said(
        &hospital,
        &format!(
            "a = s.post('{page}/login', data={{'name': 'ada', 'password': 'a long password'}})\n\
             print(a.status_code, a.url)\n\
             print([(c.name, c.secure) for c in s.cookies])\n\
             print(requests.get('{page}/', verify=sys.argv[1]).url)"
        ),
    );
    assert!(user.contains(&format!("200 {page}/\n")), "{user}");
    assert!(user.contains("[('irisnode', True)]"), "{user}");
    assert!(user.contains("/login"), "without a session: {user}");

    // No HTTP, and no other's certificate.
    let refused = said(
        &Authority::new("somebody else"),
        &format!(
            "for url in ['http://127.0.0.1:{port}/', '{page}/']:\n    \
             try:\n        print(s.get(url).status_code)\n    \
             except (SSLError, ConnectionError) as e:\n        print(type(e).__name__)"
        ),
    );
    assert_eq!(refused, "ConnectionError\nSSLError\n");
}

#[test]
fn dicomweb_speaks_https_with_whatever_certificate_lies_there_now() {
    let hospital = Authority::new("hospital");
    let own = hospital.certify("irisnode");
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let slice = CtSlice::new(UID).write(folder.path());
    let section = format!("[dicomweb]\nlisten = \"127.0.0.1:{port}\"\n{}", shows(&own));
    let node = NodeSetup::default().sections(&section).start();
    let root = format!("https://127.0.0.1:{port}/dicom-web");

    let stored = said(
        &hospital,
        &format!(
            "body = b'--b\\r\\nContent-Type: application/dicom\\r\\n\\r\\n' + open('{}', 'rb').read() + b'\\r\\n--b--'\n\
             a = s.post('{root}/studies', data=body, headers={{'Content-Type': \
             'multipart/related; type=\"application/dicom\"; boundary=b', 'Accept': 'application/dicom+json'}})\n\
             print(a.status_code, a.json()['00081199']['Value'][0]['00081190']['Value'][0])\n\
             print(len(s.get('{root}/instances').json()))",
            slice.display()
        ),
    );
    assert!(
        stored.starts_with(&format!("200 {root}/studies/")),
        "{stored}"
    );
    assert!(stored.ends_with("\n1\n"), "{stored}");

    // A client that connects and says nothing keeps nobody else from being answered.
    let _silent: Vec<_> = (0..8)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
        .collect();
    let serial = format!(
        "import ssl, socket\n\
         c = ssl.create_default_context(cafile=sys.argv[1])\n\
         with c.wrap_socket(socket.create_connection(('127.0.0.1', {port})), server_hostname='127.0.0.1') as t:\n    \
         print(t.getpeercert()['notAfter'], t.version())"
    );
    let before = said(&hospital, &serial);
    assert!(
        before.contains("2099") && before.contains("TLSv1.3"),
        "{before}"
    );
    hospital.certify_until("irisnode", (2098, 1, 1));
    assert!(wait_until(PATIENCE, || {
        said(&hospital, &serial).contains("2098")
    }));
    drop(node);
}

#[test]
fn a_client_that_sends_letter_by_letter_is_closed_and_does_not_keep_the_node_from_stopping() {
    let (pages, dicomweb) = (free_port(), free_port());
    let mut node = NodeSetup::default()
        .node("idle_timeout = \"2s\"")
        .web(&format!("listen = \"127.0.0.1:{pages}\""))
        .sections(&format!("[dicomweb]\nlisten = \"127.0.0.1:{dicomweb}\"\n"))
        .start();
    let slowly = |port: u16| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // Nothing is said against the first word; the head does not come to its end.
        stream.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
        wait_until(PATIENCE, || stream.write_all(b"x").is_err())
    };
    std::thread::scope(|threads| {
        for port in [pages, dicomweb] {
            threads.spawn(move || assert!(slowly(port), "port {port}"));
        }
    });

    let mut open = TcpStream::connect(("127.0.0.1", pages)).unwrap();
    open.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    node.stop();
}
