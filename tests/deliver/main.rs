//! Delivery to real peers: what reaches them, and what an administrator reads when nothing does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

#[path = "../support/mod.rs"]
mod support;

use irisnode::config::{Delivery, Peer};
use irisnode::deliver::{DeliverError, FileOutcome, echo, store, store_patiently};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::{CtSlice, Orthanc, Running, free_port, irisnode, python, root, tool};

/// Short waits, so that what is meant to fail fails soon.
fn impatient() -> Delivery {
    Delivery {
        connect_timeout: Duration::from_secs(2),
        response_timeout: Duration::from_secs(10),
        first_retry: Duration::from_millis(300),
        longest_pause: Duration::from_secs(2),
        give_up_after: Duration::from_secs(30),
        ..Delivery::default()
    }
}

fn peer(ae_title: &str, port: u16) -> Peer {
    Peer {
        name: "peer".into(),
        ae_title: ae_title.into(),
        host: "127.0.0.1".into(),
        port,
        compress: Vec::new(),
        only_from: Vec::new(),
        tls: None,
        only_with: Vec::new(),
        expected_count: false,
        storage_commitment: false,
        c_get: false,
        dicomweb: None,
    }
}

fn series(folder: &Path, length: u16) -> Vec<PathBuf> {
    (1..=length)
        .map(|number| {
            CtSlice {
                number,
                ..CtSlice::new("1.2.826.0.1.3680043.10.543.1")
            }
            .write(folder)
        })
        .collect()
}

fn storescp(folder: &Path, port: u16) -> Running {
    let mut command = tool("storescp");
    command
        .arg("--output-directory")
        .arg(folder)
        .arg(port.to_string());
    Running::start_listening(&mut command, port, folder.join("storescp.log"))
}

fn scripted_peer(folder: &Path, port: u16, answers: &[&str]) -> Running {
    let mut command = std::process::Command::new(python());
    command
        .arg(root().join("tests/support/storage_scp.py"))
        .arg(port.to_string())
        .args(answers);
    Running::start_listening(&mut command, port, folder.join("peer.log"))
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn send(peer: &Peer, files: &[PathBuf]) -> Vec<FileOutcome> {
    run(store(peer, "IRISNODE", files, &impatient(), |_| {}))
}

fn error(outcomes: &[FileOutcome]) -> &DeliverError {
    outcomes[0].result.as_ref().expect_err("not stored")
}

#[test]
fn a_series_reaches_orthanc_as_it_is() {
    let orthanc = Orthanc::start(json!({}));
    let folder = tempfile::tempdir().unwrap();
    let files = series(folder.path(), 5);
    let to = peer(Orthanc::AE_TITLE, orthanc.dicom_port);

    run(echo(&to, "IRISNODE", &impatient())).expect("an echo");
    let outcomes = send(&to, &files);

    assert_eq!(outcomes.len(), 5);
    for outcome in &outcomes {
        let stored = outcome.result.as_ref().expect("stored");
        assert!(!stored.transcoded);
        assert_eq!(stored.transfer_syntax, "Explicit VR Little Endian");
    }
    assert_eq!(orthanc.count_instances(), 5);
    let instance = orthanc.instances_of("CT").remove(0);
    let received = orthanc.get_bytes(&format!("/instances/{instance}/file"));
    let number = orthanc.tag(&instance, "InstanceNumber");
    let sent = std::fs::read(folder.path().join(format!("{:0>4}.dcm", number))).unwrap();
    // The file meta information is each side's own; the data sets are the same bytes.
    let data_set = |file: &[u8]| file[file.len() - 900..].to_vec();
    assert_eq!(data_set(&received), data_set(&sent));
}

#[test]
fn a_peer_that_takes_no_compression_gets_decoded_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let slice = CtSlice::new("1.2.826.0.1.3680043.10.543.2");
    let plain = slice.write(folder.path());
    let compressed = folder.path().join("compressed.dcm");
    let encoded = tool("dcmcjpeg")
        .arg(&plain)
        .arg(&compressed)
        .status()
        .unwrap();
    assert!(encoded.success());
    let port = free_port();
    let received = tempfile::tempdir().unwrap();
    // Without options storescp accepts uncompressed transfer syntaxes only.
    let _storescp = storescp(received.path(), port);

    let outcomes = send(&peer("STORESCP", port), &[compressed]);

    assert!(outcomes[0].result.as_ref().expect("stored").transcoded);
    let file = std::fs::read_dir(received.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_none_or(|extension| extension != "log"))
        .expect("a received file");
    let object = dicom_object::open_file(file).unwrap();
    let pixels = object
        .element(dicom_dictionary_std::tags::PIXEL_DATA)
        .unwrap();
    assert_eq!(pixels.to_multi_int::<u16>().unwrap(), slice.pixels());
}

#[test]
fn orthanc_takes_compressed_files_byte_for_byte() {
    let orthanc = Orthanc::start(json!({}));
    let folder = tempfile::tempdir().unwrap();
    let plain = CtSlice::new("1.2.826.0.1.3680043.10.543.3").write(folder.path());
    let compressed = folder.path().join("compressed.dcm");
    assert!(
        tool("dcmcjpeg")
            .arg(&plain)
            .arg(&compressed)
            .status()
            .unwrap()
            .success()
    );

    let outcomes = send(&peer(Orthanc::AE_TITLE, orthanc.dicom_port), &[compressed]);

    let stored = outcomes[0].result.as_ref().expect("stored");
    assert!(!stored.transcoded, "{stored:?}");
    assert_eq!(orthanc.count_instances(), 1);
}

#[test]
fn a_peer_that_is_down_is_named_with_what_to_check() {
    let folder = tempfile::tempdir().unwrap();
    let files = series(folder.path(), 3);

    let outcomes = send(&peer("GONE", free_port()), &files);

    assert_eq!(outcomes.len(), 3);
    let error = error(&outcomes);
    assert!(error.is_transient());
    let text = error.to_string();
    assert!(
        text.contains("cannot connect to GONE at 127.0.0.1:"),
        "{text}"
    );
    assert!(text.contains("check that it is running"), "{text}");
}

#[test]
fn a_wrong_called_ae_title_is_said_to_be_wrong() {
    let orthanc = Orthanc::start(json!({"DicomCheckCalledAet": true}));
    let to = peer("WRONG", orthanc.dicom_port);

    let error = run(echo(&to, "IRISNODE", &impatient())).expect_err("rejected");

    assert!(!error.is_transient(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("called AE title not recognized"), "{text}");
    assert!(
        text.contains("WRONG is not the peer's own AE title"),
        "{text}"
    );
}

#[test]
fn an_unknown_calling_ae_title_is_told_to_be_added() {
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("dcmqrscp.cfg");
    let area = folder.path().display();
    std::fs::write(
        &config,
        format!(
            "NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 4\n\
             HostTable BEGIN\nfriend = (FRIEND, localhost, 1)\nHostTable END\n\
             VendorTable BEGIN\nVendorTable END\n\
             AETable BEGIN\nARCHIVE {area} RW (9, 1024mb) friend\nAETable END\n"
        ),
    )
    .unwrap();
    let mut command = tool("dcmqrscp");
    command.arg("--config").arg(&config).arg("--require-find");
    let _archive = Running::start_listening(&mut command, port, folder.path().join("dcmqrscp.log"));
    let files = series(folder.path(), 1);

    let outcomes = send(&peer("ARCHIVE", port), &files);

    let text = error(&outcomes).to_string();
    assert!(
        text.contains("rejected the association of IRISNODE"),
        "{text}"
    );
}

#[test]
fn a_refused_sop_class_is_named_and_the_rest_is_stored() {
    let orthanc = Orthanc::start(json!({"UnknownSopClassAccepted": false}));
    let folder = tempfile::tempdir().unwrap();
    let mut files = series(folder.path(), 1);
    let unknown = CtSlice {
        sop_class: "1.2.826.0.1.3680043.10.543.99".into(),
        series: "1.2.826.0.1.3680043.10.543.4".into(),
        number: 9,
    };
    files.insert(0, unknown.write(folder.path()));

    let outcomes = send(&peer(Orthanc::AE_TITLE, orthanc.dicom_port), &files);

    let error = error(&outcomes);
    assert!(!error.is_transient());
    let text = error.to_string();
    assert!(
        text.contains("does not accept SOP class 1.2.826.0.1.3680043.10.543.99"),
        "{text}"
    );
    assert!(outcomes[1].result.is_ok(), "{outcomes:?}");
}

#[test]
fn a_text_file_is_refused_here_and_the_rest_is_sent() {
    let orthanc = Orthanc::start(json!({}));
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("letter.txt");
    std::fs::write(&text, "Dear colleague, ".repeat(40)).unwrap();
    let mut files = series(folder.path(), 1);
    files.push(text);

    let outcomes = send(&peer(Orthanc::AE_TITLE, orthanc.dicom_port), &files);

    assert_eq!(orthanc.count_instances(), 1);
    let refused = outcomes
        .iter()
        .find_map(|outcome| outcome.result.as_ref().err());
    assert!(
        refused
            .unwrap()
            .to_string()
            .contains("letter.txt: not a DICOM file")
    );
}

#[test]
fn a_busy_peer_is_asked_again_and_a_warning_counts_as_stored() {
    let folder = tempfile::tempdir().unwrap();
    let files = series(folder.path(), 1);
    let port = free_port();
    let _peer = scripted_peer(folder.path(), port, &["A700", "abort", "B007"]);
    let mut reasons = Vec::new();

    let outcomes = run(store_patiently(
        &peer("PEER", port),
        "IRISNODE",
        &files,
        &impatient(),
        |_| {},
        |error, _, _| reasons.push(error.clone()),
    ));

    assert!(
        outcomes[0]
            .result
            .as_ref()
            .expect("stored")
            .status
            .is_warning()
    );
    let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    for expected in [
        "A700H, out of resources",
        "before it acknowledged: it aborted",
    ] {
        assert!(
            reasons.iter().any(|reason| reason.contains(expected)),
            "{reasons:?}"
        );
    }
}

#[test]
fn a_refusal_for_good_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let files = series(folder.path(), 1);
    let port = free_port();
    let peer_process = scripted_peer(folder.path(), port, &["A900", "0000"]);

    let outcomes = run(store_patiently(
        &peer("PEER", port),
        "IRISNODE",
        &files,
        &impatient(),
        |_| {},
        |_, _, _| {},
    ));

    let text = error(&outcomes).to_string();
    assert!(
        text.contains("A900H, the data set does not match its SOP class"),
        "{text}"
    );
    assert_eq!(peer_process.log().matches("C-STORE").count(), 1);
}

#[test]
fn a_silent_peer_costs_no_more_than_the_time_out() {
    let folder = tempfile::tempdir().unwrap();
    let files = series(folder.path(), 1);
    let port = free_port();
    let _peer = scripted_peer(folder.path(), port, &["silence"]);
    let delivery = Delivery {
        response_timeout: Duration::from_secs(2),
        ..impatient()
    };
    let started = Instant::now();

    let outcomes = run(store(
        &peer("PEER", port),
        "IRISNODE",
        &files,
        &delivery,
        |_| {},
    ));

    assert!(started.elapsed() < Duration::from_secs(15));
    let error = error(&outcomes);
    assert!(matches!(error, DeliverError::TimedOut { .. }), "{error:?}");
    assert!(error.is_transient());
}

#[test]
fn a_port_that_does_not_speak_dicom_is_found_out() {
    let orthanc = Orthanc::start(json!({}));
    let web = peer(Orthanc::AE_TITLE, orthanc.http_port);
    let delivery = Delivery {
        response_timeout: Duration::from_secs(3),
        ..impatient()
    };
    run(echo(&web, "IRISNODE", &delivery)).expect_err("a web server");
}

#[test]
fn a_peer_that_comes_up_late_gets_everything() {
    let mut orthanc = Orthanc::start(json!({}));
    orthanc.stop();
    let folder = tempfile::tempdir().unwrap();
    let files = series(folder.path(), 3);
    let to = peer(Orthanc::AE_TITLE, orthanc.dicom_port);
    let sender = std::thread::spawn(move || {
        let mut failures = 0;
        let outcomes = run(store_patiently(
            &to,
            "IRISNODE",
            &files,
            &impatient(),
            |_| {},
            |_, _, _| failures += 1,
        ));
        (outcomes, failures)
    });
    std::thread::sleep(Duration::from_secs(1));
    orthanc.restart();

    let (outcomes, failures) = sender.join().unwrap();

    assert!(
        outcomes.iter().all(|outcome| outcome.result.is_ok()),
        "{outcomes:?}"
    );
    assert!(failures > 0);
    assert_eq!(orthanc.count_instances(), 3);
}

#[test]
fn the_commands_echo_and_send_say_what_they_did() {
    let orthanc = Orthanc::start(json!({}));
    let folder = tempfile::tempdir().unwrap();
    series(folder.path(), 4);
    let address = format!("127.0.0.1:{}", orthanc.dicom_port);

    let echo = irisnode()
        .args(["echo", "--to", &address, "--called", "ORTHANC"])
        .output()
        .unwrap();
    assert!(echo.status.success(), "{echo:?}");
    assert!(String::from_utf8_lossy(&echo.stdout).contains("answered IRISNODE in"));

    let send = irisnode()
        .arg("send")
        .arg(folder.path())
        .args(["--to", &address, "--called", "ORTHANC"])
        .output()
        .unwrap();
    assert!(send.status.success(), "{send:?}");
    assert!(String::from_utf8_lossy(&send.stdout).contains("ORTHANC stored 4 of 4 files"));
    assert_eq!(orthanc.count_instances(), 4);
}

#[test]
fn the_commands_fail_with_what_to_check() {
    let folder = tempfile::tempdir().unwrap();
    series(folder.path(), 2);
    let address = format!("127.0.0.1:{}", free_port());
    for arguments in [vec!["echo"], vec!["send", folder.path().to_str().unwrap()]] {
        let output = irisnode()
            .args(&arguments)
            .args(["--to", &address])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stderr).replace(['\n', '│'], " ");
        assert!(text.contains("cannot connect"), "{text}");
    }
}
