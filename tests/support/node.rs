//! A real node on loopback: the built program, its data in a temporary folder, a task taught from `dicom-fixtures/`.

use super::process::{Running, free_port, wait_until};
use super::{irisnode, root};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// The task every node here knows.
pub const TASK: &str = "drawn-organs";
/// Long enough for a series to be segmented on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// What the node's configuration says beside what every test needs.
#[derive(Debug, Clone)]
pub struct NodeSetup {
    port: Option<u16>,
    node: String,
    delivery: String,
    peers: String,
    rules: String,
    log: &'static str,
    own_tasks: bool,
}

impl Default for NodeSetup {
    fn default() -> Self {
        Self {
            port: None,
            node: String::new(),
            delivery: String::new(),
            peers: String::new(),
            rules: String::new(),
            log: "info",
            own_tasks: false,
        }
    }
}

impl NodeSetup {
    /// A port known beforehand, for a peer that has to know it.
    pub fn listening_on(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Lines for `[node]`.
    pub fn node(mut self, lines: &str) -> Self {
        self.node += lines;
        self.node.push('\n');
        self
    }

    /// Lines for `[delivery]`.
    pub fn delivery(mut self, lines: &str) -> Self {
        self.delivery = format!("[delivery]\n{lines}\n");
        self
    }

    /// Lines for `[web]`.
    pub fn web(mut self, lines: &str) -> Self {
        self.delivery += &format!("[web]\n{lines}\n");
        self
    }

    /// A peer on loopback.
    pub fn peer(mut self, name: &str, ae_title: &str, port: u16) -> Self {
        self.peers += &format!(
            "[[peer]]\nname = \"{name}\"\nae_title = \"{ae_title}\"\nhost = \"127.0.0.1\"\nport = {port}\n"
        );
        self
    }

    /// Whole sections, as they stand in the file.
    pub fn sections(mut self, text: &str) -> Self {
        self.peers += text;
        self
    }

    /// A rule that runs [`TASK`]; `lines` are its `when` and the rest.
    pub fn rule(mut self, name: &str, lines: &str) -> Self {
        self.rules += &format!("[[rule]]\nname = \"{name}\"\ntasks = [\"{TASK}\"]\n{lines}\n");
        self
    }

    /// A task library of its own, empty, in place of the one that all tests share.
    pub fn own_tasks(mut self) -> Self {
        self.own_tasks = true;
        self
    }

    /// What the log shows, as in `IRISNODE_LOG`.
    pub fn log(mut self, filter: &'static str) -> Self {
        self.log = filter;
        self
    }

    /// Starts the node and waits until it listens.
    pub fn start(self) -> Node {
        let mut node = self.prepare();
        node.start();
        node
    }

    /// A node that is not started yet.
    pub fn prepare(self) -> Node {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = self.port.unwrap_or_else(free_port);
        let configuration = folder.path().join("irisnode.toml");
        let text = format!(
            "[node]\nae_title = \"{}\"\nlisten = \"127.0.0.1:{port}\"\ndata_dir = \"data\"\n\
             task_dir = \"{}\"\nweights = \"{}\"\ndevice = \"cpu\"\n{}{}\n{}\n{}\n{}",
            Node::AE_TITLE,
            if self.own_tasks {
                "tasks".into()
            } else {
                task_library().to_string_lossy()
            },
            root().join("weights/iris.safetensors").display(),
            if self.node.contains("quiet_time") {
                ""
            } else {
                "quiet_time = \"300ms\"\n"
            },
            self.node,
            self.delivery,
            self.peers,
            self.rules,
        );
        std::fs::write(&configuration, text).expect("a configuration file");
        Node {
            process: None,
            port,
            configuration,
            filter: self.log,
            logs: Vec::new(),
            folder,
            seen_from_outside: false,
        }
    }
}

/// A running node; killed on drop.
pub struct Node {
    process: Option<Running>,
    /// Port of DICOM.
    pub port: u16,
    configuration: PathBuf,
    filter: &'static str,
    logs: Vec<PathBuf>,
    folder: tempfile::TempDir,
    /// Its data lie on a file system that only it has mounted.
    seen_from_outside: bool,
}

impl Node {
    /// AE title of every node here.
    pub const AE_TITLE: &str = "IRISNODE";

    /// Adds a user of the pages, as an administrator does; says whether the password was good enough.
    pub fn add_user(&self, name: &str, role: &str, password: &str) -> bool {
        let mut adding = self
            .command("web")
            .args(["user", "add", name, "--role", role])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("irisnode starts");
        let mut input = adding.stdin.take().expect("its input");
        writeln!(input, "{password}").expect("it reads");
        drop(input);
        adding.wait().expect("it ends").success()
    }

    /// Starts it, or starts it again on the same data.
    pub fn start(&mut self) {
        let log = self.next_log();
        let mut command = self.command("serve");
        command.env("IRISNODE_LOG", self.filter);
        self.process = Some(Running::start_listening(&mut command, self.port, log));
    }

    /// Starts it with every system call that changes files, or answers a peer, written to `trace`.
    pub fn start_traced(&mut self, trace: &Path) {
        let log = self.next_log();
        let serve = self.command("serve");
        let mut command = super::tool("strace");
        command
            // -D: the node is our child, strace is not, and what kills our child kills the node.
            .args(["-D", "-f", "-q", "-xx", "-s", "300000", "-o"])
            .arg(trace)
            .args([
                "-e",
                "trace=openat,rename,renameat,renameat2,unlink,unlinkat,write,pwrite64,\
                 ftruncate,lseek,fsync,fdatasync,sendto",
            ])
            .arg(serve.get_program())
            .args(serve.get_args());
        self.process = Some(Running::start_listening(&mut command, self.port, log));
    }

    /// Starts it on a disk that takes this long, in milliseconds, for each sync.
    pub fn start_on_slow_disk(&mut self, milliseconds: u32) {
        let log = self.next_log();
        let serve = self.command("serve");
        let mut command = super::tool("strace");
        command
            .args(["-D", "-f", "-q", "-o", "/dev/null", "-e"])
            .arg("trace=fsync,fdatasync")
            .arg("-e")
            .arg(format!(
                "inject=fsync,fdatasync:delay_exit={}",
                1000 * milliseconds
            ))
            .arg(serve.get_program())
            .args(serve.get_args());
        self.process = Some(Running::start_listening(&mut command, self.port, log));
    }

    /// Starts it with a clock on the wall that is as far from the true one as the file says, at each moment: `+0`, `-1d`.
    pub fn start_by_clock(&mut self, file: &Path) {
        let log = self.next_log();
        let mut command = self.command("serve");
        command
            .env("IRISNODE_LOG", self.filter)
            .env("LD_PRELOAD", "libfaketimeMT.so.1")
            .env("LD_LIBRARY_PATH", faketime_folder())
            .env("FAKETIME_TIMESTAMP_FILE", file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("DONT_FAKE_MONOTONIC", "1");
        self.process = Some(Running::start_listening(&mut command, self.port, log));
    }

    /// Starts it with at most so many bytes of memory of its own (RLIMIT_DATA), and waits for nothing: it may not get far.
    pub fn start_within(&mut self, bytes: u64) {
        let log = self.next_log();
        let serve = self.command("serve");
        let mut command = super::tool("prlimit");
        command
            .arg(format!("--data={bytes}"))
            .arg(serve.get_program())
            .args(serve.get_args());
        self.process = Some(Running::start(&mut command, log));
    }

    /// Starts it with its data on a file system of its own, of this size (as mount takes it), in a user namespace;
    /// `false` where the system allows none.
    pub fn start_on_disk_of(&mut self, size: &str) -> bool {
        let allowed = Command::new("unshare").args(["-rm", "true"]).status();
        if !allowed.is_ok_and(|status| status.success()) {
            return false;
        }
        let data = self.folder.path().join("data");
        std::fs::create_dir_all(&data).expect("a folder");
        let log = self.next_log();
        let serve = self.command("serve");
        let mut command = Command::new("unshare");
        command
            .args(["-rm", "sh", "-c"])
            .arg("mount -t tmpfs -o size=$1 tmpfs \"$2\" && shift 2 && exec \"$@\"")
            .args(["sh", size])
            .arg(&data)
            .arg(serve.get_program())
            .args(serve.get_args());
        self.process = Some(Running::start_listening(&mut command, self.port, log));
        self.seen_from_outside = true;
        true
    }

    /// Where the next start logs to.
    fn next_log(&mut self) -> PathBuf {
        let log = self
            .folder
            .path()
            .join(format!("node-{}.log", self.logs.len()));
        self.logs.push(log.clone());
        log
    }

    /// A subcommand of the program with this node's configuration.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = irisnode();
        command
            .arg(subcommand)
            .arg("--config")
            .arg(&self.configuration);
        command
    }

    /// Its configuration, as it lies on disk.
    pub fn configuration(&self) -> String {
        std::fs::read_to_string(&self.configuration).expect("a configuration file")
    }

    /// Puts another configuration in its place, as an editor does.
    pub fn configure(&self, text: &str) {
        let new = self.configuration.with_extension("new");
        std::fs::write(&new, text).expect("a configuration file");
        std::fs::rename(&new, &self.configuration).expect("a configuration file");
    }

    /// SIGHUP.
    pub fn hang_up(&mut self) {
        let id = self.process().id().to_string();
        let sent = Command::new("kill").args(["-HUP", &id]).status();
        assert!(sent.is_ok_and(|sent| sent.success()));
    }

    /// Waits until it has logged these words.
    pub fn wait_for_log(&self, words: &str) {
        let said = wait_until(PATIENCE, || self.log().contains(words));
        assert!(said, "no `{words}` in\n{}", self.log());
    }

    /// The process.
    pub fn process(&mut self) -> &mut Running {
        self.process.as_mut().expect("a running node")
    }

    /// SIGKILL: what a power cut does to a process.
    pub fn kill(&mut self) {
        self.process().kill();
    }

    /// SIGTERM.
    pub fn ask_to_stop(&mut self) {
        let id = self.process().id().to_string();
        // It may have ended already.
        let _ = Command::new("kill").args(["-TERM", &id]).status();
    }

    /// SIGTERM, and waits for an end in good order.
    pub fn stop(&mut self) {
        self.ask_to_stop();
        let process = self.process.as_mut().expect("a running node");
        let ended = wait_until(PATIENCE, || !process.is_alive());
        assert!(ended, "it does not stop:\n{}", self.log());
        assert!(self.log().trim_end().ends_with("stopped"), "{}", self.log());
    }

    /// Everything it logged, over all its starts.
    pub fn log(&self) -> String {
        self.logs
            .iter()
            .map(|log| {
                String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
            })
            .collect()
    }

    /// The most memory it ever held, MiB.
    pub fn peak_memory(&mut self) -> u64 {
        self.memory("VmHWM:").expect("a running node")
    }

    /// A line of its /proc/…/status, MiB; none when it has ended.
    pub fn memory(&mut self, line: &str) -> Option<u64> {
        let status = format!("/proc/{}/status", self.process().id());
        let status = std::fs::read_to_string(status).ok()?;
        let value = status.lines().find_map(|found| found.strip_prefix(line))?;
        let value = value.trim().strip_suffix("kB")?.trim();
        Some(value.parse::<u64>().ok()? / 1024)
    }

    /// `irisnode jobs --json`, newest first.
    pub fn jobs(&self) -> Vec<Value> {
        let mut jobs = self.command("jobs");
        if let Some(process) = self.process.as_ref().filter(|_| self.seen_from_outside) {
            // From within the namespaces that see its data.
            let process = format!("--target={}", process.id());
            let inside = std::mem::replace(&mut jobs, Command::new("nsenter"));
            jobs.arg(process)
                .args(["--user", "--mount", "--preserve-credentials"])
                .arg(inside.get_program())
                .args(inside.get_args());
        }
        let output = jobs.arg("--json").output().expect("jobs");
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("a list of jobs")
    }

    /// The newest job; null while there is none: a series has its row a moment after it was acknowledged.
    pub fn newest_job(&self) -> Value {
        self.jobs().into_iter().next().unwrap_or_default()
    }

    /// Waits until `count` jobs have ended (and no other is under way); gives them, newest first.
    pub fn ended_jobs(&self, count: usize) -> Vec<Value> {
        let mut jobs = Vec::new();
        let ended = wait_until(PATIENCE, || {
            jobs = self.jobs();
            jobs.len() >= count
                && jobs.iter().all(|job| {
                    ["delivered", "failed", "skipped"]
                        .contains(&job["state"].as_str().unwrap_or(""))
                })
        });
        assert!(ended, "{jobs:#?}\n{}", self.log());
        assert_eq!(jobs.len(), count, "{jobs:#?}");
        jobs
    }

    /// Waits until the newest job is in one of the states.
    pub fn wait_for_state(&self, states: &[&str]) -> Value {
        let mut job = Value::Null;
        let there = wait_until(PATIENCE, || {
            job = self.newest_job();
            states.contains(&job["state"].as_str().unwrap_or(""))
        });
        assert!(there, "{job:#}\n{}", self.log());
        job
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        let data = self.folder.path().join("data");
        match &self.process {
            // What it has mounted there is seen through its own root.
            Some(process) if self.seen_from_outside => {
                let own = format!("/proc/{}/root{}", process.id(), data.display());
                PathBuf::from(own)
            }
            _ => data,
        }
    }

    /// Files of the instances it keeps: in their place, or, of a node that was killed, sealed in the spool.
    pub fn kept(&self) -> Vec<PathBuf> {
        let sealed = || {
            let files = self.spooled().into_iter();
            files.filter(|file| is_sealed(file)).collect::<Vec<_>>()
        };
        // A node that runs moves them within a moment, or a few on a busy machine.
        let runs = self.process.as_ref().is_some_and(Running::exists);
        let moment = Duration::from_secs(if runs { 20 } else { 1 });
        wait_until(moment, || sealed().is_empty());
        let mut kept = sealed();
        kept.extend(files_below(&self.data().join("instances")));
        kept
    }

    /// Files of what is still arriving; empty ones lie ready for what comes next.
    pub fn spooled(&self) -> Vec<PathBuf> {
        let files = files_below(&self.data().join("spool")).into_iter();
        files
            .filter(|file| std::fs::metadata(file).is_ok_and(|file| file.len() > 0))
            .collect()
    }
}

/// Whether the seal is in the file meta information.
fn is_sealed(file: &Path) -> bool {
    let bytes = std::fs::read(file).unwrap_or_default();
    let head = &bytes[..bytes.len().min(2048)];
    head.windows(8).any(|bytes| bytes == b"IRISSEAL")
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// A library with [`TASK`], taught once for all tests of a binary by `irisnode task add`.
fn task_library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node-tests");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let library = folder.join("tasks");
        let configuration = folder.join("irisnode.toml");
        let weights = root().join("weights/iris.safetensors");
        let text = format!(
            "[node]\ntask_dir = \"{}\"\nweights = \"{}\"\n",
            library.display(),
            weights.display()
        );
        std::fs::write(&configuration, text).expect("a configuration file");
        let reference = root().join("dicom-fixtures/reference");
        let mut command = irisnode();
        command
            .args(["task", "add", TASK, "--config"])
            .arg(&configuration)
            .arg("--image")
            .arg(reference.join("image.nii.gz"))
            .arg("--label")
            .arg(reference.join("labels.nii.gz"));
        let segments = std::fs::read_to_string(root().join("dicom-fixtures/segments.tsv"));
        for line in segments.expect("segments.tsv").lines() {
            if let Some((value, name)) = line.split_once('\t') {
                command.args(["--segment", &format!("{value}={name}")]);
            }
        }
        let output = command.output().expect("task add");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        library
    })
}

/// Where Debian puts libfaketime.
fn faketime_folder() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("a folder");
    let mut folders = folders.map(|entry| entry.expect("a folder").path().join("faketime"));
    folders
        .find(|folder| folder.join("libfaketimeMT.so.1").is_file())
        .expect("setup/debian.sh faketime")
}
