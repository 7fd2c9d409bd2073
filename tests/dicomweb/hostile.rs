//! Bodies and requests that mean no good.

use crate::support::{CtSlice, NodeSetup, wait_until};
use crate::{JSON, STOW, Web, body};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const UID: &str = "1.2.826.0.1.3680043.10.543.440";

#[test]
fn bodies_that_are_none_are_refused_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let slice = std::fs::read(CtSlice::new(UID).write(folder.path())).unwrap();
    let mut web = Web::start(NodeSetup::default(), "");
    let good = body(std::slice::from_ref(&slice));
    let without_end = &good[..good.len() - 10];
    for (content_type, body, status) in [
        ("application/dicom", good.as_slice(), 415),
        ("multipart/form-data; boundary=here", &good, 415),
        (
            "multipart/related; type=\"application/dicom+json\"; boundary=here",
            &good,
            415,
        ),
        ("multipart/related; type=\"application/dicom\"", &good, 400),
        (
            "multipart/related; type=\"application/dicom\"; boundary=there",
            &good,
            400,
        ),
        (STOW.1, b"", 400),
        (STOW.1, b"--here--\r\n", 400),
        (STOW.1, b"--herefore\r\n\r\n", 400),
    ] {
        let answer = web.ask("POST", "/studies", &[("Content-Type", content_type)], body);
        assert_eq!(answer.status, status, "{content_type}: {}", answer.text());
        assert!(web.found("/studies").is_empty());
    }
    // A data set that claims gigabytes.
    let mut lies = slice.clone();
    lies.truncate(slice.len() - 512);
    let at = lies.len() - 4;
    lies[at..].copy_from_slice(&0xFFFF_FFF0u32.to_le_bytes());
    let answer = web.ask("POST", "/studies", &[STOW], &body(&[lies]));
    assert_eq!(answer.status, 409, "{}", answer.text());
    // A part without an end is not stored, and the one before it is.
    let begun = [without_end, b"\r\n--here\r\n\r\n", &slice[..900]];
    let cut = begun.concat();
    let answer = web.ask("POST", "/studies", &[STOW], &cut);
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(web.found("/instances").len(), 1);
    let answer = web.ask("POST", "/studies", &[STOW], without_end);
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(wait_until(Duration::from_secs(20), || web
        .node
        .spooled()
        .is_empty()));
    assert!(web.node.process().is_alive());
}

#[test]
fn a_sender_that_falls_silent_holds_no_place() {
    let web = Web::start(
        NodeSetup::default().node("idle_timeout = \"1s\""),
        "max_stores = 1",
    );
    let mut silent = TcpStream::connect(("127.0.0.1", web.port)).unwrap();
    let head = format!(
        "POST /dicom-web/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {}\r\nContent-Length: 1000000\r\n\r\n--here\r\n",
        STOW.1
    );
    silent.write_all(head.as_bytes()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let slice = std::fs::read(CtSlice::new(UID).write(folder.path())).unwrap();
    let answer = web.ask(
        "POST",
        "/studies",
        &[STOW, ("Accept", JSON)],
        &body(&[slice]),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    silent
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut said = [0; 12];
    silent.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"HTTP/1.1 408");

    // One that does not even ask is closed.
    let mut mute = TcpStream::connect(("127.0.0.1", web.port)).unwrap();
    mute.write_all(b"GET /dicom-web/stu").unwrap();
    mute.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let closed = mute.read(&mut said);
    assert!(
        matches!(closed, Ok(0))
            || closed.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset)
    );
}
