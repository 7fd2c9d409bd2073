//! People are told what needs them: by a real HTTP server and a real SMTP server.

use crate::support::{
    Authority, DrawnSeries, Node, PATIENCE, Running, free_port, python, root, wait_until,
};
use crate::{ANY_CT, WITH_ORGANS, printed, receiver, send, small_slices};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const UID: &str = "1.2.826.0.1.3680043.10.543.103";

/// A server of this folder's scripts, which writes down what it takes.
struct Taker {
    _running: Running,
    folder: tempfile::TempDir,
}

impl Taker {
    fn start(script: &str, port: u16, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(python());
        command
            .arg(root().join("tests/node").join(script))
            .arg(port.to_string())
            .arg(folder.path().join("taken"))
            .args(options);
        let running = Running::start_listening(&mut command, port, folder.path().join("log"));
        Self {
            _running: running,
            folder,
        }
    }

    fn taken(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("taken")).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines.collect()
    }

    /// What was posted, as JSON, once it was taken.
    fn messages(&self) -> Vec<Value> {
        let taken = self.taken().into_iter().filter(|one| one["status"] == 200);
        let body = |one: Value| {
            let base64 = one["body"].as_str().unwrap();
            let script =
                "import base64, sys; sys.stdout.buffer.write(base64.b64decode(sys.argv[1]))";
            let output = Command::new(python()).args(["-c", script, base64]).output();
            serde_json::from_slice(&output.unwrap().stdout).unwrap()
        };
        taken.map(body).collect()
    }

    /// The events of all messages so far.
    fn events(&self) -> Vec<Value> {
        let messages = self.messages();
        let events = messages
            .iter()
            .flat_map(|one| one["events"].as_array().unwrap().clone());
        events.collect()
    }
}

/// A `[[notify]]` that posts.
fn webhook(port: u16, lines: &str) -> String {
    format!(
        "[[notify]]\nname = \"team\"\nwebhook = \"http://127.0.0.1:{port}/hook/SECRET\"\n{lines}\n"
    )
}

fn send_two(node: &Node, uid: &str) {
    let folder = tempfile::tempdir().unwrap();
    send(node, &small_slices(folder.path(), uid, 2));
}

fn wrote(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_failure_is_posted_with_its_reason_and_nothing_of_the_patient() {
    let port = free_port();
    let hook = Taker::start("hook.py", port, &["1"]);
    let secrets = tempfile::tempdir().unwrap();
    let token = wrote(secrets.path(), "token", "let me in\n");
    let bearer = format!("bearer_file = \"{}\"", token.display());
    let node = receiver()
        .sections(&webhook(port, &bearer))
        .rule(
            "every CT",
            &format!("{ANY_CT}\ndestinations = [\"scanner\"]"),
        )
        .start();
    send_two(&node, UID);
    let job = node.ended_jobs(1).remove(0);

    // The first attempt was answered with 500.
    assert!(
        wait_until(PATIENCE, || !hook.messages().is_empty()),
        "{}",
        node.log()
    );
    let taken = hook.taken();
    assert_eq!(
        (&taken[0]["status"], &taken[1]["status"]),
        (&500.into(), &200.into())
    );
    assert_eq!(taken[1]["authorization"], "Bearer let me in");
    assert_eq!(taken[1]["type"], "application/json");
    let message = hook.messages().remove(0);
    let reason = job["reason"].as_str().unwrap();
    assert_eq!(
        (&message["node"], &message["count"]),
        (&Node::AE_TITLE.into(), &1.into())
    );
    let event = &message["events"][0];
    assert_eq!(
        (&event["event"], &event["job"]),
        (&"failed".into(), &job["id"])
    );
    assert_eq!(
        (&event["state"], &event["reason"]),
        (&"failed".into(), &reason.into())
    );
    assert_eq!(event["rules"], serde_json::json!(["every CT"]));
    let text = message["text"].as_str().unwrap();
    assert!(
        text.starts_with("IRISNODE: job 1 failed (rule every CT): "),
        "{text}"
    );
    let all = message.to_string();
    assert!(!all.contains(UID) && !all.contains("Nobody"), "{all}");
    // The address holds a secret; the log says the host.
    node.wait_for_log(&format!("127.0.0.1:{port} answered 500"));
    assert!(!node.log().contains("SECRET") && !node.log().contains("let me in"));
}

#[test]
fn a_storm_is_few_messages_and_a_dead_server_is_told_after_a_restart_and_holds_up_nothing() {
    let port = free_port();
    // Ten seconds between messages.
    let mut node = receiver()
        .sections(&webhook(port, "on = [\"failed\"]\nat_most = 360"))
        .rule(
            "every CT",
            &format!("{ANY_CT}\ndestinations = [\"scanner\"]"),
        )
        .start();
    send_two(&node, UID);
    node.wait_for_log("not told yet");
    for number in 2..=6 {
        send_two(&node, &format!("{UID}.{number}"));
    }
    // Nobody listens, and the series have their answers all the same.
    node.ended_jobs(6);
    node.kill();
    let hook = Taker::start("hook.py", port, &["0"]);
    node.start();

    assert!(
        wait_until(PATIENCE, || hook.events().len() >= 6),
        "{}",
        node.log()
    );
    let messages = hook.messages();
    assert!(messages.len() < 4, "{messages:#?}");
    let many = messages
        .iter()
        .find(|one| one["count"].as_i64() > Some(1))
        .unwrap();
    let text = many["text"].as_str().unwrap();
    assert!(text.contains("series failed since "), "{text}");
    let mut jobs: Vec<i64> = hook
        .events()
        .iter()
        .map(|one| one["job"].as_i64().unwrap())
        .collect();
    jobs.sort_unstable();
    jobs.dedup();
    assert_eq!(jobs, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn mail_tells_what_is_held_and_what_nobody_took_by_a_server_that_wants_tls_and_a_password() {
    let (port, refuser) = (free_port(), free_port());
    let authority = Authority::new("hospital");
    let holder = authority.certify("mail");
    let [certificate, key] = [&holder.certificate, &holder.key].map(|path| path.to_str().unwrap());
    let mailbox = Taker::start(
        "mailbox.py",
        port,
        &[certificate, key, "irisnode", "open sesame"],
    );
    let folder = tempfile::tempdir().unwrap();
    let password = wrote(folder.path(), "password", "open sesame\n");
    let mut peer = Command::new(python());
    peer.arg(root().join("tests/support/storage_scp.py"))
        .arg(refuser.to_string())
        .arg("A900");
    let _peer = Running::start_listening(&mut peer, refuser, folder.path().join("peer.log"));
    let email = format!(
        "[[notify]]\nname = \"ada\"\nemail = [\"ada@example.org\", \"bo@example.org\"]\nfrom = \"irisnode@example.org\"\n\
         smtp = \"localhost\"\nport = {port}\nuser = \"irisnode\"\npassword_file = \"{}\"\nauthorities = \"{}\"\n\
         on = [\"held\", \"undelivered\"]\nat_most = 3600\n",
        password.display(),
        authority.file().display()
    );
    let node = receiver()
        .peer("refuser", "PEER", refuser)
        .sections(&email)
        .rule("sure", &format!("{ANY_CT}\ndestinations = [\"refuser\"]"))
        .rule(
            "careful",
            &format!("{ANY_CT}\ndestinations = [\"refuser\"]\nhold_below = 1"),
        )
        .start();
    let test = node.command("notify").arg("test").output().unwrap();
    assert!(test.status.success(), "{}", printed(&test));
    assert!(
        printed(&test).contains("ada@example.org, bo@example.org by localhost took it"),
        "{}",
        printed(&test)
    );
    let drawn = tempfile::tempdir().unwrap();
    send(
        &node,
        &DrawnSeries::new(UID, WITH_ORGANS).write(drawn.path()),
    );

    let text = || {
        let mails = mailbox.taken();
        let texts = mails
            .iter()
            .map(|one| one["text"].as_str().unwrap().to_owned());
        texts.collect::<Vec<_>>().join("\n")
    };
    let told = wait_until(PATIENCE, || {
        text().contains("held for review") && text().contains("not delivered to refuser")
    });
    assert!(told, "{}\n{}", text(), node.log());
    assert!(
        text().contains("rule `careful` holds its result") && text().contains("A900H"),
        "{}",
        text()
    );
    for mail in mailbox.taken() {
        assert_eq!(mail["from"], "irisnode@example.org");
        assert_eq!(
            mail["to"],
            serde_json::json!(["ada@example.org", "bo@example.org"])
        );
        assert_eq!(mail["encrypted"], true);
        assert!(
            mail["subject"].as_str().unwrap().starts_with("IRISNODE: "),
            "{mail}"
        );
        assert!(mail["date"].is_string(), "{mail}");
    }

    // Another password: nobody is told, and the sentence says why without saying it.
    std::fs::write(&password, "guess\n").unwrap();
    let test = node.command("notify").arg("test").output().unwrap();
    assert!(!test.status.success());
    assert!(
        printed(&test).contains("535") && !printed(&test).contains("guess"),
        "{}",
        printed(&test)
    );
}

#[test]
fn a_full_disk_is_told_over_https_to_a_server_whose_authority_is_named() {
    let port = free_port();
    let authority = Authority::new("hospital");
    let holder = authority.certify("hook");
    let [certificate, key] = [&holder.certificate, &holder.key].map(|path| path.to_str().unwrap());
    let hook = Taker::start("hook.py", port, &["0", certificate, key]);
    let target = |authorities: &str| {
        format!(
            "[[notify]]\nname = \"team\"\nwebhook = \"https://127.0.0.1:{port}/\"\n{authorities}\n"
        )
    };
    let named = format!("authorities = \"{}\"", authority.file().display());
    let node = receiver()
        .node("min_free = \"1000 TiB\"")
        .sections(&target(&named))
        .start();
    assert!(
        wait_until(PATIENCE, || !hook.events().is_empty()),
        "{}",
        node.log()
    );
    let event = hook.events().remove(0);
    assert_eq!(event["event"], "not-ready");
    assert!(
        event["reason"].as_str().unwrap().contains("min_free"),
        "{event}"
    );

    // An authority that nobody named is not trusted.
    node.configure(&node.configuration().replace(&named, ""));
    let test = node
        .command("notify")
        .args(["test", "team"])
        .output()
        .unwrap();
    assert!(!test.status.success());
    assert!(
        printed(&test).contains("cannot be reached"),
        "{}",
        printed(&test)
    );
}
