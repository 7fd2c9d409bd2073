//! What rules say of a series, and what is wrong with a configuration or its peers.

use crate::support::{Running, free_port, root, tool};
use crate::{Desk, fixture};

const RULES: &str = "\
[[rule]]
name = \"abdominal CT\"
tasks = [\"abdomen\"]
when = { Modality = \"CT\", BodyPartExamined = { one_of = [\"ABDOMEN\", \"CHEST\"] } }

[[rule]]
name = \"thin portal MR\"
tasks = [\"liver\"]
priority = 3
destinations = [\"pacs\"]
[rule.when]
calling_ae = \"MR_SCANNER\"
any = [ { Modality = \"MR\" }, { StudyDescription = { glob = \"*portal*\" } } ]
not = { SliceThickness = { min = 3 } }
";

#[test]
fn explain_shows_each_condition_with_what_was_seen() {
    let desk = Desk::new();
    desk.config(4242, RULES);
    desk.teach();
    let series = fixture("query/series");
    let answer = desk.run("explain", &[("", &series)]);
    insta::assert_snapshot!(answer.worked().stdout, @"
    CT series 2.25.158001746459392391834901633797606791038, 24 instances

    ✘ rule `thin portal MR` does not match
        ? calling AE title is MR_SCANNER: not known without the association
        ✘ any of these
            ✘ Modality is MR: it is CT
            ✘ StudyDescription is like *portal*: it is Drawn torso
        ✘ not this
            ✔ SliceThickness is at least 3: it is 4

    ✔ rule `abdominal CT` matches
        ✔ Modality is CT: it is CT
        ✔ BodyPartExamined is one of ABDOMEN, CHEST: it is ABDOMEN

    what would happen
      run abdomen, send the result to the peer it came from (rule `abdominal CT`)
      (--calling-ae and --called-ae say by which association the series comes)
    ");
    let known = desk.run(
        "explain --calling-ae ORTHANC --called-ae IRISNODE",
        &[("", &series)],
    );
    let said = &known.worked().stdout;
    assert!(
        said.contains("✘ calling AE title is MR_SCANNER: it is ORTHANC"),
        "{said}"
    );
    assert!(
        said.contains("send the result to pacs (rule `abdominal CT`)"),
        "{said}"
    );
    let stranger = desk.run("explain --calling-ae STRANGER", &[("", &series)]);
    let said = &stranger.worked().stdout;
    assert!(
        said.contains("no [[peer]] has the AE title `STRANGER`"),
        "{said}"
    );

    let json = desk.run("explain --json", &[("", &series)]);
    let json: serde_json::Value = serde_json::from_str(&json.worked().stdout).unwrap();
    assert_eq!(json[0]["rules"][0]["matches"], "no");
    assert_eq!(json[0]["rules"][1]["condition"]["all"][0]["seen"], "CT");
    assert!(json[0]["rules"][0]["condition"]["all"][0]["seen"].is_null());
}

#[test]
fn a_rule_may_run_whatever_is_taught_and_teach_names_peers_that_are_there() {
    let desk = Desk::new();
    let rule = "[[rule]]\nname = \"any\"\ntasks = [\"*taught\"]\n";
    desk.config(4242, rule);
    desk.run("check", &[]).worked();
    let answer = desk.run("explain", &[("", &fixture("query/series"))]);
    let said = &answer.worked().stdout;
    assert!(
        said.contains("run *taught (no task of CT was taught over DICOM yet)"),
        "{said}"
    );

    let teach = "[teach]\nae_title = \"IRISTEACH\"\nfrom = [\"pacs\"]\n";
    desk.config(4242, &format!("{rule}{teach}"));
    let said = desk.run("check", &[]);
    assert!(
        said.worked()
            .stdout
            .contains("by labels sent to IRISTEACH; from pacs, images fetched from the peer that sent the labels"),
        "{}",
        said.stdout
    );
    let teach = "[teach]\nae_title = \"IRISNODE\"\nfetch_from = [\"pac\"]\n";
    desk.config(4242, &format!("{rule}{teach}"));
    desk.run("check", &[]).failed_saying(&[
        "`IRISNODE` is the AE title of the node itself",
        "there is no peer `pac`",
        "did you mean `pacs`",
    ]);
}

#[test]
fn explain_of_no_series_says_so() {
    let desk = Desk::new();
    desk.config(4242, RULES);
    let letter = desk.write("letters/a.txt", "text");
    desk.run("explain", &[("", letter.parent().unwrap())])
        .failed_saying(&["its one file is not DICOM"]);
    desk.run("explain nowhere", &[])
        .failed_saying(&["nowhere does not exist"]);
}

fn pacs_of(desk: &Desk, port: u16) -> Running {
    let mut storescp = tool("storescp");
    storescp
        .arg("--output-directory")
        .arg(desk.path(""))
        .arg(port.to_string());
    Running::start_listening(&mut storescp, port, desk.path("storescp.log"))
}

#[test]
fn a_peer_that_is_down_is_pointed_at() {
    let desk = Desk::new();
    let port = free_port();
    desk.config(port, "");
    let answer = desk.run("check --connect", &[]);
    answer.failed_saying(&[
        "cannot connect to ORTHANC",
        "irisnode.toml:6:",
        "name = \"pacs\"",
        "help: check that it is running",
    ]);
    assert!(
        answer.stdout.contains("✘ pacs: ORTHANC at 127.0.0.1"),
        "{}",
        answer.stdout
    );
    // Without --connect nobody is called.
    desk.run("check", &[]).worked();

    let _peer = pacs_of(&desk, port);
    let answer = desk.run("check --connect", &[]);
    let said = &answer.worked().stdout;
    assert!(
        said.contains("✔ pacs: ORTHANC at 127.0.0.1") && said.contains("answered in"),
        "{said}"
    );
}

#[test]
fn a_port_that_another_program_has_is_pointed_at() {
    let desk = Desk::new();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let pacs = free_port();
    desk.config(pacs, &format!("[web]\nlisten = \"{taken}\"\n"));
    let _peer = pacs_of(&desk, pacs);
    let answer = desk.run("check --connect", &[]);
    let sentence = format!("listen of [web], {taken}: another program listens there");
    answer.failed_saying(&[&sentence, "name another port"]);
    assert!(
        answer.stdout.contains("✔ listen of [node]"),
        "{}",
        answer.stdout
    );
    drop(other);
    desk.run("check --connect", &[]).worked();
}

#[test]
fn a_rule_names_its_reference_strategy_and_what_it_holds_for_review() {
    let desk = Desk::new();
    let rule = |strategy: &str| {
        format!("[[rule]]\nname = \"r\"\ntasks = [\"abdomen\"]\nstrategy = \"{strategy}\"\n")
    };
    desk.teach();
    desk.config(4242, &rule("image-retrieval"));
    let said = desk.run("check", &[]).worked().stdout.clone();
    assert!(
        said.contains("run   abdomen (strategy image-retrieval)"),
        "{said}"
    );
    let series = fixture("query/series");
    let said = desk
        .run("explain", &[("", &series)])
        .worked()
        .stdout
        .clone();
    assert!(
        said.contains("run abdomen (strategy image-retrieval), send the result"),
        "{said}"
    );
    let json = desk.run("explain --json", &[("", &series)]);
    let json: serde_json::Value = serde_json::from_str(&json.worked().stdout).unwrap();
    assert_eq!(json[0]["rules"][0]["strategy"], "image-retrieval");

    desk.config(4242, &(rule("tuned") + "hold_below = 0.6\n"));
    let said = desk.run("check", &[]).worked().stdout.clone();
    assert!(
        said.contains("hold  for review below a confidence of 0.6") && !said.contains("strategy"),
        "{said}"
    );
    let said = desk
        .run("explain", &[("", &series)])
        .worked()
        .stdout
        .clone();
    assert!(
        said.contains("came from, or hold it below a confidence of 0.6 (rule `r`)"),
        "{said}"
    );
    desk.config(4242, &(rule("tuned") + "hold_below = 60\n"));
    desk.run("check", &[])
        .failed_saying(&["`hold_below` must lie between 0 and 1", "irisnode.toml:15:"]);

    desk.config(4242, &rule("retreival"));
    desk.run("check", &[]).failed_saying(&[
        "`strategy` is no reference strategy",
        "did you mean `retrieval`",
        "irisnode.toml:14:",
    ]);
}

#[test]
fn a_rule_names_its_volume_and_its_kind_of_segmentation_and_a_peer_its_compression() {
    let desk = Desk::new();
    desk.teach();
    let rule = |more: &str| format!("[[rule]]\nname = \"r\"\ntasks = [\"abdomen\"]\n{more}\n");
    desk.config(
        4242,
        &rule("volume = { EchoTime = 4.6, ImageType = \"W\" }\nsegmentation = \"labelmap\""),
    );
    let said = desk.run("check", &[]).worked().stdout.clone();
    assert!(
        said.contains("run   abdomen (volume EchoTime=4.6,ImageType=W, segmentation labelmap)"),
        "{said}"
    );
    for (wrong, complaint) in [
        (
            "volume = \"biggest\"",
            "`volume` names no volume of a series",
        ),
        ("volume = 0", "`volume` must be between 1 and"),
        ("volume = { EchoTim = 4.6 }", "did you mean `EchoTime`"),
        (
            "segmentation = \"label-map\"",
            "`segmentation` is no kind of segmentation",
        ),
    ] {
        desk.config(4242, &rule(wrong));
        desk.run("check", &[])
            .failed_saying(&[complaint, "irisnode.toml:14:"]);
    }
    let peer = |compress: &str| {
        format!(
            "[[peer]]\nname = \"p\"\nae_title = \"P\"\nhost = \"h\"\nport = 104\ncompress = {compress}\n"
        )
    };
    desk.config(4242, &peer("[\"rle\", \"deflated\"]"));
    let said = desk.run("check", &[]).worked().stdout.clone();
    assert!(
        said.contains("P at h:104, results rle or deflated where it takes that"),
        "{said}"
    );
    desk.config(4242, &peer("[\"jpeg\"]"));
    desk.run("check", &[])
        .failed_saying(&["`compress` names no compression", "jpeg-ls"]);
}

#[test]
fn a_typo_is_shown_at_its_line_with_what_was_meant() {
    let desk = Desk::new();
    desk.config(
        4242,
        "[[rule]]\nname = \"r\"\ntasks = [\"t\"]\nwhen = { Modalty = \"CT\" }\n",
    );
    desk.run("check", &[]).failed_saying(&[
        "no DICOM attribute is called `Modalty`",
        "Modality",
        "irisnode.toml:14:",
    ]);
    desk.write("irisnode.toml", "[node]\nquiet_tim = \"5s\"\n");
    desk.run("check", &[]).failed_saying(&[
        "[node] has no key `quiet_tim`",
        "quiet_time",
        "irisnode.toml:2:",
    ]);
}

#[test]
fn the_commented_configuration_is_valid_but_for_the_task_that_is_to_be_taught() {
    let desk = Desk::new();
    let example = root().join("plugin-config/irisnode.toml");
    // Weights are where the checkout has them; the example's task is nobody's yet.
    let text = std::fs::read_to_string(&example).unwrap();
    let text = text.replace("../weights/iris.safetensors", "w.safetensors");
    let config = desk.write("irisnode.toml", &text);
    let answer = desk.run("check", &[]);
    answer.failed_saying(&["1 problem in", "there is no task `abdomen`"]);

    // What the comments call defaults are the defaults.
    use irisnode::config::{ConfigFile, Delivery, NodeConfig, Strategy, Teach, Web};
    let config = ConfigFile::read(&config).unwrap().into_config();
    assert_eq!(config.delivery, Delivery::default());
    assert_eq!(config.teach, Teach::default());
    let default = NodeConfig::default();
    let base = desk.path("");
    let expected = NodeConfig {
        data_dir: base.join(&default.data_dir),
        task_dir: base.join(&default.task_dir),
        weights: base.join("w.safetensors"),
        ..default
    };
    let web = Web {
        identity: None,
        listen: None,
        users: expected.data_dir.join("users.toml"),
    };
    assert_eq!(config.web, web);
    assert_eq!(config.node, expected);
    assert_eq!(config.rules.len(), 1);
    assert_eq!(config.rules[0].strategy, Strategy::default());
}

#[test]
fn every_command_explains_itself_with_examples() {
    let desk = Desk::new();
    let help = desk.run("--help", &[]);
    let help = &help.worked().stdout;
    let road = ["task add", "check --config", "serve --config"];
    let places: Vec<usize> = road
        .iter()
        .map(|step| help.find(step).expect(step))
        .collect();
    assert!(places.is_sorted(), "{help}");
    for command in [
        "serve",
        "jobs",
        "jobs release",
        "jobs discard",
        "check",
        "explain",
        "task",
        "task add",
        "task list",
        "task show",
        "task remove",
        "teach",
        "teach list",
        "teach show",
        "teach approve",
        "teach reject",
        "teach retry",
        "web",
        "web user",
        "web user add",
        "web user list",
        "web user remove",
        "segment",
        "overlay",
        "send",
        "echo",
        "train",
        "evaluate",
        "phantom",
        "completions",
        "man",
    ] {
        let help = desk.run(&format!("{command} --help"), &[]);
        let help = &help.worked().stdout;
        assert!(
            help.contains("Examples:\n"),
            "irisnode {command} --help\n{help}"
        );
    }
}
