//! Processes that tests start, and kill when done.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Ports that are handed out: below those that the system gives to callers, who would take one before it is listened on.
const PORTS: std::ops::Range<u16> = 15_000..30_000;

/// A loopback port that nothing listens on at the moment, and that nobody else in this process was given.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let many = u32::from(PORTS.end - PORTS.start);
    // Other processes begin elsewhere.
    let first = std::process::id().wrapping_mul(37);
    for _ in 0..many {
        let next = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + (next % many) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free")
}

/// Asks ten times a second until the answer is yes; says whether it came in time.
pub fn wait_until(limit: Duration, mut yes: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < limit {
        if yes() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    yes()
}

/// A child process; killed on drop.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a process; what it prints goes to `log`.
    pub fn start(command: &mut Command, log: PathBuf) -> Self {
        let file = std::fs::File::create(&log).expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self { child, log }
    }

    /// As [`Running::start`], and waits until it accepts connections on a loopback port.
    pub fn start_listening(command: &mut Command, port: u16, log: PathBuf) -> Self {
        let mut running = Self::start(command, log);
        let up = wait_until(Duration::from_secs(60), || {
            assert!(running.is_alive(), "{command:?} ended:\n{}", running.log());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        assert!(
            up,
            "{command:?} does not listen on {port}:\n{}",
            running.log()
        );
        running
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether the system still knows it: it was neither killed here nor seen to end.
    pub fn exists(&self) -> bool {
        std::path::Path::new(&format!("/proc/{}", self.id())).exists()
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.log.display(), self.log());
        }
    }
}
