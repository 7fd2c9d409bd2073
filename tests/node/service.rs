//! What a service manager hears: systemd's protocol, a datagram a message (`sd_notify(3)`).

use crate::receiver;
use crate::support::{PATIENCE, Running, wait_until};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// The next message, as its lines.
fn heard(socket: &UnixDatagram) -> Vec<String> {
    let mut message = [0; 4096];
    let length = socket.recv(&mut message).expect("a message");
    let text = String::from_utf8(message[..length].to_vec()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn systemd_hears_when_the_node_listens_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("notify");
    let socket = UnixDatagram::bind(&address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let node = receiver().prepare();
    let mut serve = node.command("serve");
    serve.env("NOTIFY_SOCKET", &address);
    let mut running = Running::start(&mut serve, folder.path().join("log"));

    let ready = heard(&socket);
    assert!(ready.contains(&"READY=1".to_owned()), "{ready:?}");
    let status = ready.iter().find(|line| line.starts_with("STATUS="));
    let status = status.expect("a status for systemctl");
    assert!(status.contains(&node.port.to_string()), "{status}");
    // Ready is not said a moment too early: what is ordered after the service finds it.
    TcpStream::connect(("127.0.0.1", node.port)).expect("it listens");

    let id = running.id().to_string();
    std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .unwrap();
    assert_eq!(heard(&socket), ["STOPPING=1"]);
    let ended = wait_until(PATIENCE, || !running.is_alive());
    assert!(ended, "{}", running.log());
}
