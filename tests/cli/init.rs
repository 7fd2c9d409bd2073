//! A first configuration: by options, by questions at a terminal, and never over one that is there.

use crate::support::{free_port, python, root};
use crate::{Desk, fixture};
use std::process::Command;

const ALL: &str = "init --yes --ae-title SEGMENTER --listen 127.0.0.1:11113 --data-dir data --modality MR \
    --peer pacs=ORTHANC@127.0.0.1:4242 --peer archive=OTHER@archive.example:104";

#[test]
fn what_init_writes_by_options_passes_check_and_says_what_was_asked() {
    let desk = Desk::new();
    let written = desk.run(ALL, &[]);
    let said = &written.worked().stdout;
    assert!(said.contains("Wrote irisnode.toml"), "{said}");
    assert!(
        said.contains("irisnode check --config irisnode.toml --connect"),
        "{said}"
    );
    assert!(
        said.contains("irisnode serve --config irisnode.toml"),
        "{said}"
    );
    assert!(
        said.contains("segmentations; both are this machine, port 11113"),
        "{said}"
    );

    // The program that is built here finds the weights of its checkout.
    let checked = desk.run("check", &[]);
    let said = &checked.worked().stdout;
    assert!(checked.stderr.is_empty(), "{}", checked.stderr);
    for sentence in [
        "SEGMENTER on 127.0.0.1:11113; only its peers may send",
        "ORTHANC at 127.0.0.1:4242",
        "OTHER at archive.example:104",
        "teaching  by labels sent to IRISTEACH",
        "http://127.0.0.1:8044/",
        "when  Modality is MR",
        "run   *taught",
    ] {
        assert!(said.contains(sentence), "no `{sentence}` in {said}");
    }
    let explained = desk.run("explain", &[("", &fixture("query/series"))]);
    assert!(
        explained
            .worked()
            .stdout
            .contains("Modality is MR: it is CT")
    );
}

#[test]
fn a_rule_with_a_task_is_complete_once_it_is_taught() {
    let desk = Desk::new();
    let asked = desk.run(
        "init --yes --peer pacs=ORTHANC@127.0.0.1:4242 --task abdomen --web none --data-dir . --out node.toml",
        &[],
    );
    let said = &asked.worked().stdout;
    assert!(said.contains("irisnode task add abdomen --image"), "{said}");
    let check = desk.run("check --config node.toml", &[]);
    check.failed_saying(&["there is no task `abdomen`", "irisnode task add abdomen"]);

    let weights = root().join("weights/iris.safetensors");
    let taught = desk.run(
        "task add abdomen --config node.toml --segment 1=spleen",
        &[
            ("--image", &fixture("reference/image.nii.gz")),
            ("--label", &fixture("reference/labels.nii.gz")),
            ("--weights", &weights),
        ],
    );
    taught.worked();
    desk.run("check --config node.toml", &[]).worked();
}

#[test]
fn a_file_that_is_there_stays_without_force_and_a_script_must_say_yes() {
    let desk = Desk::new();
    let mine = desk.write("irisnode.toml", "# mine\n");
    desk.run(ALL, &[])
        .failed_saying(&["irisnode.toml is there already", "--force"]);
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), "# mine\n");
    desk.run(&format!("{ALL} --force"), &[]).worked();
    assert!(
        std::fs::read_to_string(&mine)
            .unwrap()
            .contains("ae_title = \"SEGMENTER\"")
    );

    let elsewhere = "--out other.toml";
    desk.run(&format!("init {elsewhere}"), &[])
        .failed_saying(&["there is no terminal to ask at", "--yes"]);
    desk.run(&format!("init --yes {elsewhere}"), &[])
        .failed_saying(&["no PACS is named", "--peer pacs=ORTHANC@10.0.0.5:4242"]);
    desk.run(
        &format!("init --yes --peer p=A@b:1 --peer p=B@b:2 {elsewhere}"),
        &[],
    )
    .failed_saying(&["two peers `p`"]);
    desk.run(
        &format!("init --yes --peer p=A@b:1 --web 0.0.0.0:80 {elsewhere}"),
        &[],
    )
    .failed_saying(&["for this machine only"]);
    assert!(!desk.path("other.toml").exists());
}

/// Answers the questions as a person at a terminal would.
const TYPIST: &str = r#"
import os, pty, sys
answers = [("AE title of the node", "WARD7\r"), ("listen on", "\r"), ("Folder", "kept\r"), ("name for the PACS", "\r"),
    ("AE title of the PACS", "NOT A TITLE AT ALL\r"), ("1 to 16", "\x7f" * 30 + "VNA\r"),
    ("address and DICOM port", sys.argv[2] + "\r"), ("to teach", "\r"), ("status page", "n"), ("  PT", "\x1b[B\r"),
    ("A task that it runs", "brain\r"), ("C-ECHO now", "y")]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "init"])
seen = said = ""
while True:
    try:
        part = os.read(terminal, 4096).decode(errors="replace")
    except OSError:
        break
    if not part:
        break
    seen, said = seen + part, said + part
    while answers and answers[0][0] in seen:
        seen = ""
        os.write(terminal, answers.pop(0)[1].encode())
print(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) or len(answers))
"#;

#[test]
fn at_a_terminal_it_asks_and_an_empty_answer_is_the_default() {
    let desk = Desk::new();
    let nobody = free_port();
    let typed = Command::new(python())
        .args(["-c", TYPIST, env!("CARGO_BIN_EXE_irisnode")])
        .arg(format!("127.0.0.1:{nobody}"))
        .current_dir(desk.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&typed.stdout).into_owned();
    assert!(
        typed.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&typed.stderr)
    );
    assert!(
        said.contains("No: ") && said.contains("irisnode serve --config"),
        "{said}"
    );
    let text = std::fs::read_to_string(desk.path("irisnode.toml")).unwrap();
    for line in [
        "ae_title = \"WARD7\"",
        "listen = \"0.0.0.0:11112\"",
        "data_dir = \"kept\"",
        "name = \"pacs\"",
        "ae_title = \"VNA\"",
        &format!("port = {nobody}"),
        "# listen = \"127.0.0.1:8044\"",
        "Modality = \"MR\"",
        "tasks = [\"brain\", \"*taught\"]",
    ] {
        assert!(
            text.lines().any(|written| written == line),
            "no `{line}` in\n{text}\n{said}"
        );
    }
}
