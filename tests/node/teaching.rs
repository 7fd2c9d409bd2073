//! Teaching from the viewer: a DICOM-SEG that somebody drew is sent to the teaching AE title, and becomes a task.

use crate::support::{
    DrawnSeries, Node, NodeSetup, Orthanc, PATIENCE, free_port, irisnode, python, root, wait_until,
};
use crate::{as_peer, printed, storescp};
use irisnode::config::{Delivery, Peer};
use irisnode::deliver::{FileOutcome, store};
use serde_json::{Value, json};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const UID: &str = "1.2.826.0.1.3680043.10.543.97";
const TITLE: &str = "IRISTEACH";
/// Every CT, by whatever is taught.
const WHATEVER_IS_TAUGHT: &str =
    "[[rule]]\nname = \"every CT\"\ntasks = [\"*taught\"]\nwhen = { Modality = \"CT\" }\n";
/// Of the drawn subject: its value in the label map, SNOMED code and meaning.
pub(crate) const LIVER: [&str; 3] = ["2", "10200004", "Liver"];
pub(crate) const SPLEEN: [&str; 3] = ["1", "78961009", "Spleen"];

/// Slices of the drawn subject in a folder.
fn series(folder: &Path, uid: &str, range: Range<usize>) -> Vec<PathBuf> {
    DrawnSeries::new(uid, range).write(folder)
}

/// A DICOM-SEG by highdicom; its file, and how many voxels are in the segment.
pub(crate) fn drawn(
    series: &Path,
    label: &str,
    what: [&str; 3],
    away: Option<&str>,
) -> (PathBuf, u64) {
    let file = series.with_extension(format!("{label}.seg"));
    let output = Command::new(python())
        .arg(root().join("tests/node/draw_seg.py"))
        .args([series, &file])
        .arg(label)
        .args(what)
        .args(away)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    let voxels = String::from_utf8_lossy(&output.stdout).trim().parse();
    (file, voxels.unwrap())
}

/// Orthanc that knows the node by both of its AE titles, as an administrator would write it.
fn orthanc_beside(port: u16) -> Orthanc {
    Orthanc::start(json!({
        "DicomModalities": {
            "irisnode": [Node::AE_TITLE, "127.0.0.1", port],
            "teach": [TITLE, "127.0.0.1", port],
        },
    }))
}

fn put(orthanc: &Orthanc, files: &[PathBuf]) -> Vec<String> {
    let ids = files.iter().map(|file| {
        let answer = orthanc.post("/instances", &std::fs::read(file).unwrap());
        answer["ID"].as_str().expect("an ID").to_owned()
    });
    ids.collect()
}

fn send_from(orthanc: &Orthanc, modality: &str, ids: &[String]) {
    let request = json!({ "Resources": ids, "Synchronous": true });
    let path = format!("/modalities/{modality}/store");
    let answer = orthanc.post(&path, request.to_string().as_bytes());
    assert_eq!(answer["FailedInstancesCount"], 0, "{answer:#}");
}

/// Sends files straight to the teaching AE title.
pub(crate) fn send_to_teach(node: &Node, calling_ae: &str, files: &[PathBuf]) -> Vec<FileOutcome> {
    let peer = Peer {
        ae_title: TITLE.into(),
        ..as_peer(node)
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(store(
            &peer,
            calling_ae,
            files,
            &Delivery::default(),
            |_| {},
        ))
}

fn teach(node: &Node, words: &[&str]) -> Output {
    node.command("teach").args(words).output().unwrap()
}

/// What `irisnode task` prints of the node's library.
fn task(node: &Node, words: &[&str]) -> String {
    let library = node.data().with_file_name("tasks");
    let mut command = irisnode();
    let command = command.arg("task").args(words).arg("--tasks-dir");
    printed(&command.arg(library).output().unwrap())
}

fn proposals(node: &Node) -> Vec<Value> {
    let output = teach(node, &["list", "--all", "--json"]);
    assert!(output.status.success(), "{}", printed(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Waits until the newest of `count` proposals is in a state.
pub(crate) fn wait_for_proposal(node: &Node, count: usize, state: &str) -> Value {
    let mut all = Vec::new();
    let there = wait_until(PATIENCE, || {
        all = proposals(node);
        all.len() == count && all[0]["state"] == state
    });
    assert!(there, "{all:#?}\n{}", node.log());
    all.remove(0)
}

fn id(proposal: &Value) -> String {
    proposal["id"].to_string()
}

#[test]
fn a_structure_drawn_in_the_viewer_comes_back_on_the_next_series() {
    let port = free_port();
    let orthanc = orthanc_beside(port);
    let node = NodeSetup::default()
        .listening_on(port)
        .own_tasks()
        .peer("orthanc", Orthanc::AE_TITLE, orthanc.dicom_port)
        .sections(&format!(
            "[teach]\nae_title = \"{TITLE}\"\n{WHATEVER_IS_TAUGHT}"
        ))
        .start();
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first");
    let images = put(&orthanc, &series(&first, &format!("{UID}.1"), 6..16));
    let (seg, voxels) = drawn(&first, "Leber", LIVER, None);

    // Before anything is taught there is nothing to do.
    let second = folder.path().join("second");
    let others = put(&orthanc, &series(&second, &format!("{UID}.2"), 8..18));
    send_from(&orthanc, "irisnode", &others);
    let job = node.ended_jobs(1).remove(0);
    assert_eq!(job["state"], "skipped", "{job:#}");
    let reason = job["reason"].as_str().unwrap();
    assert!(
        reason.contains("no task of modality CT was taught over DICOM yet"),
        "{reason}"
    );

    // Only the labels are sent: the node asks for the images.
    let seg = put(&orthanc, &[seg]);
    send_from(&orthanc, "teach", &seg);
    let proposal = wait_for_proposal(&node, 1, "proposed");
    assert_eq!(proposal["task"], "leber", "{proposal:#}");
    let finding = &proposal["finding"];
    assert_eq!(finding["is_further"], false, "{finding:#}");
    assert_eq!(finding["segments"][0]["voxels"], voxels);
    let ml = finding["segments"][0]["ml"].as_f64().unwrap();
    assert!((ml - voxels as f64 * 0.036).abs() < 0.01, "{ml}");
    assert!(
        finding["why"]
            .as_str()
            .unwrap()
            .contains("no task has 10200004 SCT (Liver)"),
        "{finding:#}"
    );
    assert_eq!(proposal["mean_dice"], Value::Null);
    let listed = printed(&teach(&node, &["list"]));
    assert!(
        listed.contains("new task `leber`") && listed.contains("Leber "),
        "{listed}"
    );
    // What was fetched is material: no rule is asked about it.
    let jobs = node.ended_jobs(3);
    assert!(
        jobs[..2].iter().all(|job| job["state"] == "skipped"),
        "{jobs:#?}"
    );
    assert_eq!(node.kept().len(), 1 + images.len() + others.len());

    let picture = folder.path().join("picture.png");
    let shown = teach(
        &node,
        &[
            "show",
            &id(&proposal),
            "--picture",
            picture.to_str().unwrap(),
        ],
    );
    assert!(shown.status.success(), "{}", printed(&shown));
    let drawn_picture = image::open(&picture).unwrap().to_rgb8();
    let coloured = drawn_picture
        .pixels()
        .filter(|p| p.0[0].abs_diff(p.0[2]) > 15);
    assert!(coloured.count() > 1000, "the liver is tinted in it");

    let approved = teach(&node, &["approve", &id(&proposal)]);
    assert!(approved.status.success(), "{}", printed(&approved));
    let said = printed(&approved);
    assert!(
        said.contains("Task `leber` is made.") && said.contains("Rule `every CT` runs it"),
        "{said}"
    );
    let twice = teach(&node, &["approve", &id(&proposal)]);
    assert!(!twice.status.success());
    assert!(
        printed(&twice).contains("is approved"),
        "{}",
        printed(&twice)
    );

    // The node runs on; the other series comes again, and gets the structure.
    send_from(&orthanc, "irisnode", &others);
    let arrived = wait_until(PATIENCE, || orthanc.instances_of("SEG").len() == 2);
    assert!(arrived, "{:#?}\n{}", node.jobs(), node.log());
    let results = orthanc.instances_of("SEG");
    let result = results.iter().find(|id| !seg.contains(id)).unwrap();
    let tags = orthanc.get(&format!("/instances/{result}/simplified-tags"));
    let segment = &tags["SegmentSequence"][0];
    assert_eq!(segment["SegmentLabel"], "Leber", "{tags:#}");
    assert_eq!(
        segment["SegmentedPropertyTypeCodeSequence"][0]["CodeValue"],
        "10200004"
    );

    // The same structure drawn on that series, under another name: a further reference. The images are held already.
    let (seg, _) = drawn(&second, "liver of mine", LIVER, None);
    send_from(&orthanc, "teach", &put(&orthanc, &[seg]));
    let proposal = wait_for_proposal(&node, 2, "proposed");
    assert_eq!(proposal["task"], "leber", "{proposal:#}");
    let finding = &proposal["finding"];
    assert_eq!(
        (&finding["is_further"], &finding["references"]),
        (&true.into(), &2.into())
    );
    // Each of the two by the other: one subject, so that it is easy.
    let left_out = finding["left_out"].as_array().unwrap();
    assert_eq!(left_out.len(), 2, "{finding:#}");
    let dice = proposal["mean_dice"].as_f64().unwrap();
    assert!((0.5..=1.0).contains(&dice), "{finding:#}");
    let shown = printed(&teach(&node, &["show", &id(&proposal)]));
    assert!(
        shown.contains("reference 2 of `leber`: its `Leber` is 10200004 SCT (Liver)")
            && shown.contains("2 (this one)"),
        "{shown}"
    );
    let approved = teach(&node, &["approve", &id(&proposal)]);
    assert!(
        printed(&approved).contains("Task `leber` has 2 references now."),
        "{}",
        printed(&approved)
    );
    let tasks = task(&node, &["show", "leber"]);
    assert!(
        tasks.contains("2 references") && tasks.contains("taught over DICOM"),
        "{tasks}"
    );

    // Sent once more, there is nothing to decide again.
    assert!(
        !node.log().contains("Leber") && !node.log().contains("of mine"),
        "names of structures are not for the log"
    );
}

#[test]
fn images_come_by_wado_rs_from_a_pacs_that_cannot_send_them_to_the_node() {
    let plugin = Path::new("/usr/share/orthanc/plugins/libOrthancDicomWeb.so");
    // It knows the node by no AE title.
    let orthanc = Orthanc::start(json!({
        "AuthenticationEnabled": true,
        "RegisteredUsers": { "irisnode": "let me in" },
        "Plugins": [plugin],
        "DicomWeb": { "Enable": true, "Root": "/dicom-web/" },
    }));
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "let me out\n").unwrap();
    let node = NodeSetup::default()
        .own_tasks()
        .peer("scanner", "SCANNER", free_port())
        .peer("orthanc", Orthanc::AE_TITLE, orthanc.dicom_port)
        .sections(&format!(
            "dicomweb = \"http://127.0.0.1:{}/dicom-web/\"\ndicomweb_user = \"irisnode\"\n\
             dicomweb_password_file = \"{}\"\n\
             [teach]\nae_title = \"{TITLE}\"\nfetch_from = [\"orthanc\"]\n",
            orthanc.http_port,
            password.display()
        ))
        .start();
    let place = folder.path().join("one");
    let images = put(&orthanc, &series(&place, &format!("{UID}.7"), 8..16));
    let (seg, _) = drawn(&place, "Spleen", SPLEEN, None);

    let refused =
        |said: &str| said.contains(&format!("127.0.0.1:{} answered 401", orthanc.http_port));
    let checked = printed(&node.command("check").arg("--connect").output().unwrap());
    assert!(
        refused(&checked) && checked.contains("check `dicomweb`"),
        "{checked}"
    );
    for outcome in send_to_teach(&node, "SCANNER", &[seg]) {
        outcome.result.unwrap();
    }
    let proposal = wait_for_proposal(&node, 1, "failed");
    let reason = proposal["reason"].as_str().unwrap();
    assert!(refused(reason), "{reason}");

    // The password is read anew each time.
    std::fs::write(&password, "let me in\n").unwrap();
    let checked = printed(&node.command("check").arg("--connect").output().unwrap());
    assert!(!refused(&checked), "{checked}");
    assert!(teach(&node, &["retry", &id(&proposal)]).status.success());
    let proposal = wait_for_proposal(&node, 1, "proposed");
    assert_eq!(proposal["task"], "spleen", "{proposal:#}");
    assert_eq!(node.kept().len(), images.len() + 1);
    assert!(!node.log().contains("let me"), "{}", node.log());
}

#[test]
fn images_come_by_c_get_from_a_pacs_that_knows_no_address_of_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("one");
    let files = series(&place, &format!("{UID}.8"), 8..16);
    let (seg, _) = drawn(&place, "Spleen", SPLEEN, None);
    // Half of them compressed: each comes as the PACS has it.
    for file in &files[..4] {
        let compressed = Command::new("dcmcrle").args([file, file]).output().unwrap();
        assert!(compressed.status.success(), "{}", printed(&compressed));
    }
    let ask = |may_get: bool| {
        let orthanc = Orthanc::start(json!({ "DicomAlwaysAllowGet": may_get }));
        let images = put(&orthanc, &files);
        let node = NodeSetup::default()
            .own_tasks()
            .peer("scanner", "SCANNER", free_port())
            .peer("orthanc", Orthanc::AE_TITLE, orthanc.dicom_port)
            .sections(&format!(
                "c_get = true\n[teach]\nae_title = \"{TITLE}\"\nfetch_from = [\"orthanc\"]\n"
            ))
            .start();
        for outcome in send_to_teach(&node, "SCANNER", std::slice::from_ref(&seg)) {
            outcome.result.unwrap();
        }
        (orthanc, images, node)
    };

    let (_orthanc, _, node) = ask(false);
    let refused = wait_until(PATIENCE, || {
        let why = |proposal: &Value| proposal["reason"].to_string();
        let words = "perhaps IRISTEACH may not retrieve by it there";
        proposals(&node)
            .iter()
            .any(|proposal| why(proposal).contains(words))
    });
    assert!(refused, "{:#?}", proposals(&node));

    let (_orthanc, images, node) = ask(true);
    let proposal = wait_for_proposal(&node, 1, "proposed");
    assert_eq!(proposal["task"], "spleen", "{proposal:#}");
    assert_eq!(node.kept().len(), images.len() + 1);
    let by_rle = node.kept().into_iter().filter(|file| {
        let meta = dicom_object::open_file(file).unwrap();
        meta.meta().transfer_syntax() == dicom_dictionary_std::uids::RLE_LOSSLESS
    });
    assert_eq!(by_rle.count(), 4);
}

#[test]
fn a_check_says_that_a_peer_does_not_give_images_by_c_get() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let _pacs = storescp(folder.path(), port);
    let node = NodeSetup::default()
        .peer("pacs", "PACS", port)
        .sections("c_get = true\n")
        .prepare();
    let checked = node.command("check").arg("--connect").output().unwrap();
    let said = printed(&checked);
    assert!(!checked.status.success(), "{said}");
    assert!(
        said.contains("does not accept C-GET") && said.contains("leave out c_get"),
        "{said}"
    );
}

#[test]
fn labels_that_cannot_be_used_are_kept_with_their_reason_until_they_can() {
    let port = free_port();
    let orthanc = orthanc_beside(port);
    let node = NodeSetup::default()
        .listening_on(port)
        .own_tasks()
        .peer("orthanc", Orthanc::AE_TITLE, orthanc.dicom_port)
        .sections(&format!("[teach]\nae_title = \"{TITLE}\"\n"))
        .start();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("one");
    let images = series(&place, &format!("{UID}.3"), 8..16);

    // Labels of a series that nobody has.
    let (seg, _) = drawn(&place, "Spleen", SPLEEN, None);
    send_from(&orthanc, "teach", &put(&orthanc, &[seg]));
    let proposal = wait_for_proposal(&node, 1, "failed");
    let reason = proposal["reason"].as_str().unwrap();
    assert!(
        reason.contains("the series of the labels is not held")
            && reason.contains(&format!("send the series to {TITLE} too")),
        "{reason}"
    );
    let listed = printed(&teach(&node, &["list"]));
    assert!(
        listed.contains("failed") && listed.contains("is not held"),
        "{listed}"
    );

    // The series is sent along, later: it is looked at again by itself.
    send_from(&orthanc, "teach", &put(&orthanc, &images));
    let proposal = wait_for_proposal(&node, 1, "proposed");
    assert_eq!(proposal["task"], "spleen", "{proposal:#}");

    // Labels that lie elsewhere in the same frame of reference.
    let (seg, _) = drawn(&place, "Elsewhere", SPLEEN, Some("4000"));
    send_from(&orthanc, "teach", &put(&orthanc, &[seg]));
    let proposal = wait_for_proposal(&node, 2, "failed");
    let reason = proposal["reason"].as_str().unwrap();
    assert!(reason.contains("lies in the image"), "{reason}");
    assert!(!teach(&node, &["approve", &id(&proposal)]).status.success());

    let rejected = teach(
        &node,
        &["reject", &id(&proposal), "--reason", "a wrong export"],
    );
    assert!(rejected.status.success(), "{}", printed(&rejected));
    let all = proposals(&node);
    assert_eq!(all[0]["state"], "rejected", "{all:#?}");
    assert_eq!(all[0]["reason"], "rejected: a wrong export");
    let open = printed(&teach(&node, &["list"]));
    assert!(
        !open.contains("wrong export") && open.contains("1 decided"),
        "{open}"
    );
    let tasks = task(&node, &["list"]);
    assert!(tasks.contains("There is no task"), "{tasks}");
    assert_eq!(node.kept().len(), images.len() + 2);
}

#[test]
fn a_kill_loses_no_labels_and_only_those_who_may_teach_do() {
    let mut node = NodeSetup::default()
        .own_tasks()
        .peer("scanner", "SCANNER", free_port())
        .peer("workstation", "WORKSTATION", free_port())
        .sections(&format!(
            "[teach]\nae_title = \"{TITLE}\"\nfrom = [\"workstation\"]\n"
        ))
        .start();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("one");
    let mut files = series(&place, &format!("{UID}.4"), 8..16);
    files.push(drawn(&place, "Spleen", SPLEEN, None).0);

    for outcome in send_to_teach(&node, "SCANNER", &files) {
        let error = outcome.result.unwrap_err().to_string();
        assert!(error.contains("calling AE title not recognized"), "{error}");
    }
    // Images and labels in one association, and the power goes at the last acknowledgement.
    for outcome in send_to_teach(&node, "WORKSTATION", &files) {
        outcome.result.unwrap();
    }
    node.kill();
    node.start();
    let proposal = wait_for_proposal(&node, 1, "proposed");
    assert_eq!(proposal["from"], "WORKSTATION");
    node.kill();
    node.start();
    assert_eq!(
        wait_for_proposal(&node, 1, "proposed")["id"],
        proposal["id"]
    );

    // Sent again it is looked at again, and is one proposal still.
    for outcome in send_to_teach(&node, "WORKSTATION", &files) {
        outcome.result.unwrap();
    }
    node.ended_jobs(4);
    wait_for_proposal(&node, 1, "proposed");
    let approved = teach(
        &node,
        &["approve", &id(&wait_for_proposal(&node, 1, "proposed"))],
    );
    let said = printed(&approved);
    assert!(
        approved.status.success()
            && said.contains("No rule runs it yet")
            && said.contains("\"*taught\""),
        "{said}"
    );
}
