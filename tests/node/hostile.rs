//! Peers that break the rules, and connections that break.

use crate::raw_association::RawAssociation;
use crate::support::{Authority, CtSlice, Node, PATIENCE, data_set, irisnode, wait_until};
use crate::{ANY_CT, assert_answers, receiver, send, small_slices};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::Duration;

const SERIES: &str = "1.2.826.0.1.3680043.10.543.30";

fn connect(node: &Node) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", node.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The node hangs up: everything it still said, until the end of the connection.
fn hangs_up(mut stream: &TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    // Not `read`: a wait with a time limit ends early on a machine that was paused (EINTR).
    match stream.read_to_end(&mut said) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => {
            panic!("the node does not hang up: {error}")
        }
        _ => said,
    }
}

fn assert_nothing_kept(node: &Node) {
    assert_eq!(node.kept().len(), 0, "{}", node.log());
    assert!(
        wait_until(PATIENCE, || node.spooled().is_empty()),
        "half an instance is left in the spool"
    );
    assert_answers(node);
}

#[test]
fn garbage_is_hung_up_on_and_memory_stays_bounded() {
    let mut node = receiver().start();
    let before = node.peak_memory();
    let header = |pdu_type: u8, length: u32| {
        let mut bytes = vec![pdu_type, 0];
        bytes.extend(length.to_be_bytes());
        bytes
    };
    let mut noise: Vec<u8> = (0..100_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    noise[2..6].copy_from_slice(&[0, 0, 1, 0]);
    let openings = [
        // A request and a data PDU of 4 GB.
        header(0x01, u32::MAX),
        header(0x04, u32::MAX - 1),
        // A web browser, and nothing in particular.
        b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n".to_vec(),
        noise,
        // A request cut short inside its fixed fields, and an item that claims more than the PDU.
        [header(0x01, 10), vec![0; 10]].concat(),
        [
            header(0x01, 80),
            vec![0, 1, 0, 0],
            vec![b' '; 32],
            vec![0; 32],
            vec![0x10, 0, 0xFF, 0xFF],
            vec![b'1'; 8],
        ]
        .concat(),
        // Data without an association.
        [header(0x04, 8), vec![0, 0, 0, 4, 1, 3, 0, 0]].concat(),
    ];
    for opening in &openings {
        let mut stream = connect(&node);
        // The node may hang up in the middle of this.
        let _ = stream.write_all(opening);
        let _ = stream.write_all(&vec![0xFF; 300_000]);
        let _ = stream.shutdown(Shutdown::Write);
        hangs_up(&stream);
    }
    for pdu in [
        header(0x04, u32::MAX),
        // A presentation data value of no length, and one longer than its PDU.
        [header(0x04, 6), vec![0, 0, 0, 0, 1, 3]].concat(),
        [header(0x04, 6), vec![0, 0, 0xFF, 0xFF, 1, 3]].concat(),
        // A presentation context that was not negotiated; a PDU of an unknown type.
        [header(0x04, 8), vec![0, 0, 0, 4, 99, 3, 0, 0]].concat(),
        header(0x42, 0),
    ] {
        let mut association = RawAssociation::open(&node);
        association.stream().write_all(&pdu).unwrap();
        let _ = association.stream().shutdown(Shutdown::Write);
        hangs_up(association.stream());
    }
    assert_nothing_kept(&node);
    let grown = node.peak_memory() - before;
    assert!(grown < 64, "{grown} MiB more");
    assert!(node.process().is_alive());
}

#[test]
fn a_peer_that_says_nothing_is_not_waited_for_for_ever() {
    let node = receiver().node("idle_timeout = \"1s\"").start();

    let silent = connect(&node);
    let mut trickling = connect(&node);
    let mut idle = RawAssociation::open(&node);
    let mut halfway = RawAssociation::open(&node);
    halfway.command("1.2.3");
    halfway.data(false, b"half");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // A byte now and then is as good as nothing.
            while trickling.write_all(&[0x01]).is_ok() {
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        assert_eq!(hangs_up(&silent), b"");
        // A-ABORT tells the peer that it was no accident.
        assert_eq!(hangs_up(idle.stream()).first(), Some(&0x07));
        assert_eq!(hangs_up(halfway.stream()).first(), Some(&0x07));
    });
    assert_nothing_kept(&node);
}

#[test]
fn connections_that_ask_for_nothing_hold_no_place_and_more_than_a_few_are_closed_at_once() {
    let node = receiver()
        .node("max_associations = 1\nassociation_timeout = \"60s\"")
        .start();
    // One place for an association, and 32 for connections that have none.
    let half_open: Vec<TcpStream> = (0..31)
        .map(|n| {
            let mut stream = connect(&node);
            if n % 2 == 0 {
                stream.write_all(&[0x01, 0, 0, 0, 1]).unwrap();
            }
            stream
        })
        .collect();
    let taken = wait_until(PATIENCE, || RawAssociation::try_open(&node).is_some());
    assert!(taken, "{}", node.log());

    let more: Vec<TcpStream> = (0..8).map(|_| connect(&node)).collect();
    // At most two of them found a place.
    for stream in &more[2..] {
        assert_eq!(hangs_up(stream), b"");
    }
    node.wait_for_log("too many connections without an association");
    drop((half_open, more));
    let free_again = wait_until(PATIENCE, || RawAssociation::try_open(&node).is_some());
    assert!(free_again, "{}", node.log());
    assert_nothing_kept(&node);
}

#[test]
fn a_message_that_comes_byte_by_byte_is_not_waited_for_for_ever() {
    let node = receiver().node("idle_timeout = \"1s\"").start();
    let mut dribbling = RawAssociation::open(&node);
    dribbling.command("1.2.3");
    let began = std::time::Instant::now();
    // Never silent for long, and never done.
    while began.elapsed() < PATIENCE && dribbling.try_data(b"ab") {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(hangs_up(dribbling.stream()).first(), Some(&0x07));
    let text = node.log();
    assert!(text.contains("less than 1024 bytes a second"), "{text}");
    assert_nothing_kept(&node);
}

#[test]
fn half_a_tls_handshake_is_not_waited_for_for_ever() {
    let hospital = Authority::new("hospital");
    let own = hospital.certify("irisnode");
    let node = receiver()
        .node("association_timeout = \"1s\"")
        .sections(&format!(
            "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
            own.certificate.display(),
            own.key.display()
        ))
        .start();
    let silent = connect(&node);
    let mut trickling = connect(&node);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The head of a ClientHello of 512 bytes, and then a byte now and then.
            let head = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC];
            while trickling.write_all(&head).is_ok() {
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        assert_eq!(hangs_up(&silent), b"");
    });
    node.wait_for_log("a connection asked for no association");
}

#[test]
fn what_was_cut_off_is_not_kept() {
    let node = receiver().start();
    let folder = tempfile::tempdir().unwrap();
    let slice = CtSlice::new(SERIES);
    let bytes = data_set(&slice.write(folder.path()));

    // In the middle of a data set, between fragments and within a PDU.
    let mut association = RawAssociation::open(&node);
    association.command(&slice.sop_instance());
    association.data(false, &bytes[..bytes.len() / 2]);
    drop(association);
    let mut association = RawAssociation::open(&node);
    association.command(&slice.sop_instance());
    association
        .stream()
        .write_all(&[4, 0, 0, 0, 1, 0, 0, 0, 0])
        .unwrap();
    drop(association);

    assert_nothing_kept(&node);
    send(&node, &small_slices(folder.path(), SERIES, 1));
    assert_eq!(node.kept().len(), 1);
}

#[test]
fn a_data_set_that_is_not_what_it_should_be_is_refused_and_the_association_goes_on() {
    let node = receiver().start();
    let folder = tempfile::tempdir().unwrap();
    let slice = CtSlice::new(SERIES);
    let bytes = data_set(&slice.write(folder.path()));
    let uid = slice.sop_instance();
    let mut association = RawAssociation::open(&node);
    let text = "Dear colleague, thank you for referring this patient. ".repeat(40);

    assert_eq!(association.store(&uid, text.as_bytes(), 1000), 0xC000);
    assert_eq!(association.store("1.2.3", &bytes, 1000), 0xA900);
    // Whole for the protocol, but cut short in the pixel data, in a value and in an element's head.
    for cut in [bytes.len() - 2, bytes.len() - 500, 700, 301, 5] {
        let status = association.store(&uid, &bytes[..cut], 1000);
        assert_eq!(status, 0xC000, "cut after {cut} bytes");
    }
    assert_nothing_kept(&node);
    assert_eq!(association.store(&uid, &bytes, 1000), 0);
    association.release();
    assert_eq!(node.kept().len(), 1);
    node.wait_for_log("SOP Instance UID of the data set is not the one that was announced");
}

#[test]
fn a_text_file_sent_as_dicom_is_refused_in_words_and_the_rest_arrives() {
    let node = receiver().start();
    let folder = tempfile::tempdir().unwrap();
    let letter = folder.path().join("letter.dcm");
    std::fs::write(&letter, "Dear colleague, ".repeat(40)).unwrap();
    let slices = small_slices(folder.path(), SERIES, 2);
    let send = |files: &[&Path]| {
        irisnode()
            .arg("send")
            .args(files)
            .args(["--to", &format!("127.0.0.1:{}", node.port)])
            .args(["--called", Node::AE_TITLE, "--aet", "SCANNER"])
            .output()
            .unwrap()
    };

    let output = send(&[&letter, &slices[0], &slices[1]]);

    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).replace(['\n', '│'], " ");
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.join(" ").contains("not a DICOM file"), "{text}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("stored 2 of 3 files"), "{stdout}");
    assert_eq!(node.kept().len(), 2);
}

#[test]
fn bombs_that_are_sent_cost_the_node_no_memory_and_others_no_result() {
    let mut node = receiver().rule("any CT", ANY_CT).start();
    let folder = tempfile::tempdir().unwrap();
    send(&node, &small_slices(folder.path(), SERIES, 1));
    let before = node.peak_memory();
    let slice = CtSlice::new(SERIES);
    let whole = data_set(&slice.write(folder.path()));
    let uid = slice.sop_instance();

    // Before the pixel data: a private value that claims 4 GiB, and sequences that do not end.
    let pixels = whole
        .windows(4)
        .rposition(|tag| tag == [0xE0, 0x7F, 0x10, 0]);
    let (head, tail) = whole.split_at(pixels.unwrap());
    let claims = [
        &[0x29, 0, 0x10, 0x10, b'O', b'B', 0, 0][..],
        &0xFFFF_FFF0u32.to_le_bytes(),
    ];
    let sequence = [
        0x29, 0, 0x10, 0x10, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
    ];
    let item = [0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF];
    let nested = [&sequence[..], &item[..]].concat().repeat(50_000);
    let mut association = RawAssociation::open(&node);
    for bomb in [claims.concat(), nested] {
        let bytes = [head, &bomb, tail].concat();
        assert_eq!(association.store(&uid, &bytes, 60_000), 0xC000);
    }
    association.release();

    // Kept, as everything that is whole; and no volume. 40,000 x 40,000 pixels, of which 256 are there.
    let mut bombs = Vec::new();
    for number in 1..=2 {
        let series = format!("{SERIES}.7");
        let slice = CtSlice {
            number,
            ..CtSlice::new(&series)
        };
        let file = slice.write(folder.path());
        let mut bytes = std::fs::read(&file).unwrap();
        for element in [0x10u8, 0x11] {
            let size = [0x28, 0, element, 0, b'U', b'S', 2, 0];
            let at = bytes.windows(8).position(|head| head == size).unwrap() + 8;
            bytes[at..at + 2].copy_from_slice(&40_000u16.to_le_bytes());
        }
        let bomb = folder.path().join(format!("bomb-{number}.dcm"));
        std::fs::write(&bomb, bytes).unwrap();
        bombs.push(bomb);
    }
    send(&node, &bombs);
    let jobs = node.ended_jobs(2);
    assert_eq!(jobs[0]["state"], "failed", "{jobs:#?}");
    let grown = node.peak_memory() - before;
    assert!(grown < 128, "{grown} MiB more");
    assert_answers(&node);
}
