//! DICOM TLS with the peers that hospitals have: who gets in, who does not and what the log says, and certificates that
//! change while the node runs.

use crate::support::{
    Authority, DrawnSeries, Holder, Node, NodeSetup, Orthanc, PATIENCE, Running, free_port, python,
    tool, wait_until,
};
use crate::{ANY_CT, WITH_ORGANS, dcmtk, printed, small_slices};
use serde_json::json;
use std::path::Path;
use std::process::Output;

const UID: &str = "1.2.826.0.1.3680043.10.543.60";

/// `[tls]` of a node that asks its callers for a certificate.
pub fn tls(own: &Holder, callers_of: &Authority) -> String {
    format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\nclient_authorities = \"{}\"\n",
        own.certificate.display(),
        own.key.display(),
        callers_of.file().display()
    )
}

/// A peer; `lines` are what is special.
pub fn peer(name: &str, ae_title: &str, port: u16, lines: &str) -> String {
    format!(
        "[[peer]]\nname = \"{name}\"\nae_title = \"{ae_title}\"\nhost = \"127.0.0.1\"\nport = {port}\n{lines}\n"
    )
}

/// A program of DCMTK that calls the node by TLS, shows what `own` holds, and believes `authority`.
pub fn by_tls(node: &Node, program: &str, own: &Holder, authority: &Authority) -> Output {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (key, certificate) = (path(&own.key), path(&own.certificate));
    let authority = path(&authority.file());
    let options = [
        "--enable-tls",
        &key,
        &certificate,
        "--add-cert-file",
        &authority,
    ];
    dcmtk(node, program, &options, &[])
}

#[test]
fn a_series_comes_from_orthanc_by_tls_and_its_result_goes_back_by_tls() {
    let hospital = Authority::new("hospital");
    let (own, pacs) = (hospital.certify("irisnode"), hospital.certify("pacs"));
    let port = free_port();
    let orthanc = Orthanc::start(json!({
        "DicomTlsEnabled": true,
        "DicomTlsRemoteCertificateRequired": true,
        "DicomTlsCertificate": pacs.certificate,
        "DicomTlsPrivateKey": pacs.key,
        "DicomTlsTrustedCertificates": hospital.file(),
        "DicomModalities": {"irisnode": {
            "AET": Node::AE_TITLE, "Host": "127.0.0.1", "Port": port, "UseDicomTls": true,
        }},
    }));
    let only_pacs = format!("tls = true\nonly_with = [\"{}\"]", pacs.fingerprint);
    let ports = peer("orthanc", Orthanc::AE_TITLE, orthanc.dicom_port, &only_pacs);
    let node = NodeSetup::default()
        .listening_on(port)
        .sections(&(tls(&own, &hospital) + &ports))
        .rule("any CT", ANY_CT)
        .start();
    let folder = tempfile::tempdir().unwrap();
    let files = DrawnSeries::new(UID, WITH_ORGANS).write(folder.path());

    let called = node.command("check").arg("--connect").output().unwrap();
    assert!(called.status.success(), "{}", printed(&called));
    assert!(printed(&called).contains("by TLS"), "{}", printed(&called));
    let ids: Vec<_> = files
        .iter()
        .map(|file| orthanc.post("/instances", &std::fs::read(file).unwrap())["ID"].clone())
        .collect();
    orthanc.post(
        "/modalities/irisnode/store",
        json!(ids).to_string().as_bytes(),
    );

    let arrived = wait_until(PATIENCE, || !orthanc.instances_of("SEG").is_empty());
    assert!(arrived, "{}\n{}", node.log(), orthanc.log());
    assert_eq!(node.ended_jobs(1)[0]["state"], "delivered");
    assert_eq!(node.kept().len(), WITH_ORGANS.len());
}

#[test]
fn only_callers_with_a_certificate_of_the_authority_get_in_and_the_log_says_why_others_do_not() {
    let (hospital, elsewhere) = (Authority::new("hospital"), Authority::new("elsewhere"));
    let own = hospital.certify("irisnode");
    let scanner = hospital.certify("scanner");
    let other = hospital.certify("other");
    let tied = |name: &str, ae_title: &str, certificate: &str| {
        peer(
            name,
            ae_title,
            free_port(),
            &format!("only_with = [\"{certificate}\"]"),
        )
    };
    let node = NodeSetup::default()
        .sections(&tls(&own, &hospital))
        .sections(&tied("scanner", "SCANNER", "scanner"))
        .sections(&tied(
            "digits",
            "DIGITS",
            &scanner.fingerprint.to_uppercase(),
        ))
        .start();
    let folder = tempfile::tempdir().unwrap();
    let files = small_slices(folder.path(), UID, 2);

    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (key, certificate) = (path(&scanner.key), path(&scanner.certificate));
    let authority = path(&hospital.file());
    let show = [
        "--enable-tls",
        &key,
        &certificate,
        "--add-cert-file",
        &authority,
    ];
    let sent = dcmtk(&node, "storescu", &show, &files);
    assert!(sent.status.success(), "{}\n{}", printed(&sent), node.log());
    assert_eq!(node.kept().len(), 2);

    // The same authority, but not the certificate that the peer is tied to.
    let not_its_own = by_tls(&node, "echoscu", &other, &hospital);
    let text = printed(&not_its_own);
    assert!(text.contains("Calling AE Title Not Recognized"), "{text}");
    node.wait_for_log("it shows a certificate that `only_with` does not name: CN=other");

    let stranger = elsewhere.certify("stranger");
    let refused = by_tls(&node, "echoscu", &stranger, &hospital);
    assert!(!refused.status.success());
    node.wait_for_log("the other side's certificate is of no authority that is trusted here");

    let nameless = dcmtk(
        &node,
        "echoscu",
        &["--anonymous-tls", "--add-cert-file", &authority],
        &[],
    );
    assert!(!nameless.status.success());
    node.wait_for_log("the other side shows no certificate");

    let plain = dcmtk(&node, "echoscu", &[], &[]);
    assert!(!plain.status.success());
    node.wait_for_log("the other side does not speak TLS; plain DICOM perhaps");

    // One that does not believe the node.
    let wary = by_tls(&node, "echoscu", &scanner, &elsewhere);
    assert!(!wary.status.success());
    node.wait_for_log("the other side refused, alert UnknownCA");

    let by_digits = tool("echoscu")
        .args(["--aetitle", "DIGITS", "--call", Node::AE_TITLE])
        .args(show)
        .args(["127.0.0.1", &node.port.to_string()])
        .output()
        .unwrap();
    assert!(by_digits.status.success(), "{}", printed(&by_digits));
}

#[test]
fn nothing_older_than_tls_1_2_is_spoken_and_a_plain_listener_is_beside_only_where_asked_for() {
    let hospital = Authority::new("hospital");
    let own = hospital.certify("irisnode");
    let plain = free_port();
    let without_authorities = format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\nplain_listen = \"127.0.0.1:{plain}\"\n",
        own.certificate.display(),
        own.key.display()
    );
    let mut node = NodeSetup::default()
        .sections(&without_authorities)
        .sections(&peer("scanner", "SCANNER", free_port(), ""))
        .start();
    let script = "import socket, ssl, sys\n\
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n\
        context.load_verify_locations(sys.argv[2])\n\
        context.set_ciphers('ALL:@SECLEVEL=0')\n\
        context.minimum_version = ssl.TLSVersion.TLSv1\n\
        context.maximum_version = ssl.TLSVersion[sys.argv[3]]\n\
        with socket.create_connection(('127.0.0.1', int(sys.argv[1]))) as plain:\n\
        \x20   with context.wrap_socket(plain, server_hostname='localhost') as s:\n\
        \x20       print(s.version())\n";
    let speak = |version: &str| {
        let output = std::process::Command::new(python())
            .args(["-W", "ignore", "-c", script, &node.port.to_string()])
            .arg(hospital.file())
            .arg(version)
            .output()
            .unwrap();
        printed(&output)
    };
    assert_eq!(speak("TLSv1_3").trim(), "TLSv1.3");
    assert_eq!(speak("TLSv1_2").trim(), "TLSv1.2");
    let old = speak("TLSv1_1");
    assert!(old.contains("SSLError") || old.contains("alert"), "{old}");
    node.wait_for_log("the other side has no TLS version or cipher suite that is safe");

    let port = std::mem::replace(&mut node.port, plain);
    let echo = dcmtk(&node, "echoscu", &[], &[]);
    assert!(echo.status.success(), "{}", printed(&echo));
    let tls_on_plain = dcmtk(&node, "echoscu", &["--anonymous-tls"], &[]);
    assert!(!tls_on_plain.status.success());
    node.wait_for_log("the peer speaks TLS here, and DICOM without TLS was expected");
    node.port = port;
    let closed = NodeSetup::default()
        .sections(&tls(&own, &hospital))
        .sections(&peer("scanner", "SCANNER", free_port(), ""))
        .start();
    assert!(!dcmtk(&closed, "echoscu", &[], &[]).status.success());
}

#[test]
fn new_certificate_files_are_taken_without_a_restart_and_broken_ones_are_not() {
    let (hospital, new) = (Authority::new("hospital"), Authority::new("new"));
    let (own, scanner) = (hospital.certify("irisnode"), hospital.certify("scanner"));
    let mut node = NodeSetup::default()
        .sections(&tls(&own, &hospital))
        .sections(&peer("scanner", "SCANNER", free_port(), ""))
        .start();
    let answers = |node: &Node, authority: &Authority| {
        by_tls(node, "echoscu", &scanner, authority)
            .status
            .success()
    };
    assert!(answers(&node, &hospital));

    let before = std::fs::read(&own.certificate).unwrap();
    std::fs::write(&own.certificate, "-----BEGIN CERTIFICATE-----\nhalf a fi").unwrap();
    assert!(answers(&node, &hospital), "{}", node.log());
    node.wait_for_log("cannot be used; the earlier ones stay in force");
    std::fs::write(&own.certificate, before).unwrap();

    let other = new.certify("irisnode");
    std::fs::copy(&other.key, &own.key).unwrap();
    // Between the two files the pair does not fit, and the earlier one holds.
    assert!(answers(&node, &hospital), "{}", node.log());
    std::fs::copy(&other.certificate, &own.certificate).unwrap();
    assert!(answers(&node, &new), "{}", node.log());
    assert!(!answers(&node, &hospital));
    node.wait_for_log("certificate files have changed and are in force");
    assert!(node.process().is_alive());
}

#[test]
fn calls_by_tls_say_what_is_wrong_with_them() {
    let (hospital, elsewhere) = (Authority::new("hospital"), Authority::new("elsewhere"));
    let (own, pacs) = (hospital.certify("irisnode"), hospital.certify("pacs"));
    let folder = tempfile::tempdir().unwrap();
    let (port, plain_port) = (free_port(), free_port());
    let mut command = tool("storescp");
    command
        .args([
            "--enable-tls".as_ref(),
            pacs.key.as_os_str(),
            pacs.certificate.as_os_str(),
        ])
        .args(["--add-cert-file".as_ref(), hospital.file().as_os_str()])
        .arg("--output-directory")
        .arg(folder.path())
        .arg(port.to_string());
    let _storescp = Running::start_listening(&mut command, port, folder.path().join("scp.log"));
    let _plain = crate::storescp(folder.path(), plain_port);
    let authorities = |authority: &Authority| {
        format!(
            "tls = true\nauthorities = \"{}\"",
            authority.file().display()
        )
    };
    let peers = [
        peer("good", "A", port, "tls = true"),
        peer("named", "B", port, "tls = true\nonly_with = [\"PACS\"]"),
        peer(
            "other-name",
            "C",
            port,
            "tls = true\nonly_with = [\"scanner\"]",
        ),
        peer("distrusted", "D", port, &authorities(&elsewhere)),
        peer("without", "E", port, ""),
        peer("plain", "F", plain_port, "tls = true"),
    ];
    let node = NodeSetup::default()
        .sections(&(tls(&own, &hospital) + &peers.concat()))
        .prepare();
    let echo = |name: &str| {
        let output = node
            .command("echo")
            .args(["--peer", name])
            .output()
            .unwrap();
        let text = printed(&output).replace(['\n', '│'], " ");
        let words: Vec<&str> = text.split_whitespace().collect();
        (output.status.success(), words.join(" "))
    };
    for name in ["good", "named"] {
        let (answered, text) = echo(name);
        assert!(answered, "{name}: {text}");
    }
    for (name, words) in [
        ("other-name", "certificate is for another name"),
        (
            "distrusted",
            "certificate is of no authority that is trusted here",
        ),
        ("without", "perhaps this port wants TLS"),
        ("plain", "no TLS with F at 127.0.0.1"),
    ] {
        let (answered, text) = echo(name);
        assert!(!answered && text.contains(words), "{name}: {text}");
    }
}

#[test]
fn a_check_looks_into_the_files_and_points_at_what_is_wrong() {
    let hospital = Authority::new("hospital");
    let own = hospital.certify("irisnode");
    let ends = chrono::Utc::now() + chrono::Duration::days(10);
    let ends = ends.format("%Y-%m-%d").to_string();
    let parts: Vec<i32> = ends.split('-').map(|part| part.parse().unwrap()).collect();
    let soon = (parts[0], parts[1] as u8, parts[2] as u8);
    let check = |sections: &str| {
        let node = NodeSetup::default().sections(sections).prepare();
        let output = node.command("check").output().unwrap();
        let text = printed(&output).replace(['\n', '│'], " ");
        let words: Vec<&str> = text.split_whitespace().collect();
        (output.status.success(), words.join(" "))
    };

    let (valid, text) = check(&tls(&own, &hospital));
    assert!(valid, "{text}");
    assert!(text.contains("tls CN=irisnode, until 2099-01-01"), "{text}");
    assert!(
        text.contains("others than its owner can read the private key"),
        "{text}"
    );

    let (valid, text) = check(&tls(&hospital.certify_until("soon", soon), &hospital));
    assert!(
        valid && text.contains(&format!("the certificate expires on {ends}")),
        "{text}"
    );

    let (valid, text) = check(&tls(
        &hospital.certify_until("old", (2020, 1, 1)),
        &hospital,
    ));
    assert!(
        !valid && text.contains("the certificate has expired on 2020-01-01"),
        "{text}"
    );

    let mixed = Holder {
        key: hospital.certify("another").key,
        certificate: own.certificate.clone(),
        fingerprint: String::new(),
        serial: Vec::new(),
    };
    let (valid, text) = check(&tls(&mixed, &hospital));
    assert!(
        !valid && text.contains("is not that of the certificate"),
        "{text}"
    );

    let (valid, text) = check("[tls]\ncertificate = \"absent.pem\"\nkey = \"absent.key\"\n");
    assert!(
        !valid && text.contains("absent.pem: No such file"),
        "{text}"
    );

    let nobody = peer("pacs", "PACS", 104, "only_with = [\"pacs\"]");
    let (valid, text) = check(&nobody);
    assert!(
        !valid && text.contains("`only_with` can never hold"),
        "{text}"
    );
    let (valid, text) = check(&peer("pacs", "PACS", 104, "tls = true"));
    assert!(!valid && text.contains("no authority is named"), "{text}");
    let wrong = tls(&own, &hospital) + &peer("pacs", "PACS", 104, "only_with = [\"sha256:12\"]");
    let (valid, text) = check(&wrong);
    assert!(!valid && text.contains("no SHA-256 fingerprint"), "{text}");
}
