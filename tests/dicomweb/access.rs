//! Who may ask.

use crate::support::http::request_with;
use crate::support::{CtSlice, NodeSetup, free_port};
use crate::{JSON, STOW, Web, body};
use base64::Engine;

const UID: &str = "1.2.826.0.1.3680043.10.543.430";

fn basic(name: &str, password: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Basic {pair}")
}

#[test]
fn users_and_holders_of_a_token_get_in_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "# gateway\na-long-token-of-a-gateway\n").unwrap();
    let port = free_port();
    let section = format!(
        "[dicomweb]\nlisten = \"127.0.0.1:{port}\"\nusers = true\ntoken_file = \"{}\"\nallow_origin = [\"https://viewer.example\"]\n",
        tokens.display()
    );
    let mut node = NodeSetup::default().sections(&section).prepare();
    for (name, role) in [("vic", "viewer"), ("ada", "admin")] {
        assert!(node.add_user(name, role, &format!("password of {name}")));
    }
    node.start();
    let web = Web { node, port };
    let (vic, ada) = (
        basic("vic", "password of vic"),
        basic("ada", "password of ada"),
    );
    let wrong = basic("vic", "password of ada");
    let slice = std::fs::read(CtSlice::new(UID).write(folder.path())).unwrap();
    let body = body(&[slice]);
    let ask = |method: &str, who: Option<&str>| {
        let mut headers = vec![("Accept", JSON), ("Origin", "https://viewer.example")];
        headers.extend(who.map(|who| ("Authorization", who)));
        if method == "POST" {
            headers.push(STOW);
        }
        web.ask(
            method,
            "/studies",
            &headers,
            if method == "POST" { &body } else { b"" },
        )
    };
    let nobody = ask("GET", None);
    assert_eq!(nobody.status, 401);
    let how = nobody.header("www-authenticate").unwrap();
    assert!(how.contains("Basic") && how.contains("Bearer"), "{how}");
    assert_eq!(ask("GET", Some(&wrong)).status, 401);
    assert_eq!(ask("GET", Some("Bearer something-else")).status, 401);
    assert_eq!(ask("POST", Some(&vic)).status, 403, "a viewer looks");
    assert_eq!(ask("GET", Some(&vic)).text(), "[]");
    // A viewer asks many things at once, before any of them is answered: none of these is a guess.
    std::thread::scope(|threads| {
        let asked: Vec<_> = (0..12)
            .map(|_| threads.spawn(|| ask("GET", Some(&ada)).status))
            .collect();
        for answer in asked {
            assert_eq!(answer.join().unwrap(), 200);
        }
    });
    assert_eq!(ask("POST", Some(&ada)).status, 200);
    assert_eq!(
        ask("POST", Some("Bearer a-long-token-of-a-gateway")).status,
        200
    );
    let found = ask("GET", Some(&vic));
    assert_eq!(found.status, 200);
    assert_eq!(
        found.header("access-control-allow-origin"),
        Some("https://viewer.example")
    );
    // Before a browser says who it is, it asks whether it may.
    let asked = [
        ("Host", "pacs.example"),
        ("Origin", "https://viewer.example"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    let may = request_with(port, "OPTIONS", "/dicom-web/studies", &asked, b"").unwrap();
    assert_eq!(may.status, 200, "{}", may.head);
    assert!(
        may.header("access-control-allow-headers")
            .unwrap()
            .contains("authorization")
    );
    let others = ask("GET", Some(&wrong));
    assert!(others.header("access-control-allow-origin").is_some());
    let log = web.node.log();
    assert!(
        !log.contains("password of") && !log.contains("a-long-token"),
        "{log}"
    );
}

#[test]
fn without_users_it_is_for_this_machine_only() {
    let web = Web::start(NodeSetup::default(), "");
    assert_eq!(web.get("/studies", JSON).text(), "[]");
    let elsewhere = [("Host", "evil.example"), ("Accept", JSON)];
    let answer = request_with(web.port, "GET", "/dicom-web/studies", &elsewhere, b"").unwrap();
    assert_eq!(answer.status, 421);
    // No page of another origin may read what it asks for.
    let page = [("Host", "127.0.0.1"), ("Origin", "https://evil.example")];
    let answer = request_with(web.port, "GET", "/dicom-web/studies", &page, b"").unwrap();
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn a_listener_that_is_open_to_the_network_asks_who_is_there() {
    for (lines, word) in [
        ("listen = \"0.0.0.0:8043\"", "open to the network"),
        (
            "listen = \"127.0.0.1:8043\"\nallow_origin = [\"*\"]",
            "every page",
        ),
        ("allow_origin = [\"https://viewer.example/\"]", "no origin"),
        ("url = \"pacs.example\"", "no URL"),
    ] {
        let node = NodeSetup::default()
            .sections(&format!("[dicomweb]\n{lines}\n"))
            .prepare();
        let checked = node.command("check").output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(!checked.status.success() && said.contains(word), "{said}");
    }
}

#[test]
fn a_viewer_at_the_root_is_for_those_who_may_read_and_leaves_the_service_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let viewer = folder.path().join("ohif");
    std::fs::create_dir(&viewer).unwrap();
    std::fs::write(folder.path().join("secret"), "not of the viewer").unwrap();
    std::fs::write(viewer.join("index.html"), "<title>OHIF</title>").unwrap();
    std::fs::write(viewer.join("app.js"), "let here;").unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "a-long-token\n").unwrap();
    let lines = format!(
        "viewer = \"{}\"\ntoken_file = \"{}\"",
        viewer.display(),
        tokens.display()
    );
    let web = Web::start(NodeSetup::default(), &lines);
    let ask = |path: &str, token: &str| {
        let said = format!("Bearer {token}");
        let headers = [("Host", "pacs.example"), ("Authorization", said.as_str())];
        request_with(web.port, "GET", path, &headers, b"").unwrap()
    };
    assert_eq!(ask("/app.js", "a-guess").status, 401);
    assert_eq!(ask("/app.js", "a-long-token").text(), "let here;");
    // Pages of the viewer's own.
    for path in ["/", "/viewer?StudyInstanceUIDs=1.2.3"] {
        let page = ask(path, "a-long-token");
        assert!(page.text().contains("OHIF"), "{path}: {}", page.text());
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'self'"), "{policy}");
    }
    let configuration = ask("/app-config.js", "a-long-token").text();
    assert!(
        configuration.contains("wadoRoot: \"/dicom-web\""),
        "{configuration}"
    );
    for outside in ["/../secret", "/%2e%2e/secret", "/..%2fsecret"] {
        let answer = ask(outside, "a-long-token").text();
        assert!(!answer.contains("not of the viewer"), "{outside}");
    }
    let unknown = ask("/dicom-web/nothing", "a-long-token");
    assert_eq!(unknown.status, 404);
    let policy = unknown.header("content-security-policy");
    assert_eq!(policy, Some("default-src 'none'"));
    let studies = ask("/dicom-web/studies", "a-long-token");
    assert_eq!(studies.text(), "[]");
}
