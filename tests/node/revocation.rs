//! Certificates that their authority has revoked: who shows one gets in no more, and is called no more.

use crate::printed;
use crate::support::{
    Authority, Holder, NodeSetup, PATIENCE, Running, free_port, tool, wait_until,
};
use crate::tls::{by_tls, peer, tls};
use std::path::Path;

const FAR: (i32, u8, u8) = (2099, 1, 1);

/// `[tls]` with a file of lists.
fn with_list(own: &Holder, hospital: &Authority, list: &Path) -> String {
    tls(own, hospital) + &format!("revoked = \"{}\"\n", list.display())
}

#[test]
fn a_caller_whose_certificate_is_revoked_gets_in_until_the_list_says_so_and_no_longer() {
    let hospital = Authority::new("hospital");
    let own = hospital.certify("irisnode");
    let (lost, sound) = (hospital.certify("lost"), hospital.certify("sound"));
    let list = hospital.revoke(&[], FAR);
    let node = NodeSetup::default()
        .sections(&with_list(&own, &hospital, &list))
        .sections(&peer("scanner", "SCANNER", free_port(), ""))
        .start();
    let gets_in = |holder: &Holder| {
        let echo = by_tls(&node, "echoscu", holder, &hospital);
        echo.status.success()
    };
    assert!(gets_in(&lost) && gets_in(&sound), "{}", node.log());

    // The authority's next list, put in the place of the one before.
    hospital.revoke(&[&lost], FAR);

    assert!(!gets_in(&lost));
    node.wait_for_log("the other side's certificate has been revoked");
    assert!(gets_in(&sound), "{}", node.log());
    // What is no list leaves the earlier one in force.
    std::fs::write(&list, "nothing").unwrap();
    assert!(!gets_in(&lost) && gets_in(&sound));
    node.wait_for_log("the earlier ones stay in force");
}

#[test]
fn a_peer_whose_certificate_is_revoked_is_not_called() {
    let hospital = Authority::new("hospital");
    let (own, pacs) = (hospital.certify("irisnode"), hospital.certify("pacs"));
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut command = tool("storescp");
    command
        .arg("--enable-tls")
        .args([&pacs.key, &pacs.certificate])
        .arg("--add-cert-file")
        .arg(hospital.file())
        .arg("--output-directory")
        .arg(folder.path())
        .arg(port.to_string());
    let _pacs = Running::start_listening(&mut command, port, folder.path().join("scp.log"));
    let list = hospital.revoke(&[], FAR);
    // By the name of its host, and by a name of its own.
    let peers = peer("host", "A", port, "tls = true")
        + &peer("name", "B", port, "tls = true\nonly_with = [\"pacs\"]");
    let node = NodeSetup::default()
        .sections(&(with_list(&own, &hospital, &list) + &peers))
        .prepare();
    let echo = |name: &str| {
        let output = node.command("echo").args(["--peer", name]).output();
        let output = output.unwrap();
        let text = printed(&output).replace(['\n', '│'], " ");
        let words: Vec<&str> = text.split_whitespace().collect();
        (output.status.success(), words.join(" "))
    };
    for name in ["host", "name"] {
        let (answered, text) = echo(name);
        assert!(answered, "{name}: {text}");
    }
    hospital.revoke(&[&pacs], FAR);
    for name in ["host", "name"] {
        let (answered, text) = echo(name);
        assert!(
            !answered && text.contains("certificate has been revoked"),
            "{name}: {text}"
        );
    }
}

#[test]
fn a_certificate_that_is_trusted_itself_can_be_revoked_too_and_lists_may_be_as_authorities_publish_them()
 {
    let hospital = Authority::new("hospital");
    let own = hospital.certify("irisnode");
    let (lost, sound) = (hospital.certify("lost"), hospital.certify("sound"));
    let folder = tempfile::tempdir().unwrap();
    // No authority: the two certificates themselves.
    let both = folder.path().join("both.pem");
    let text = |file: &Path| std::fs::read_to_string(file).unwrap();
    std::fs::write(&both, text(&lost.certificate) + &text(&sound.certificate)).unwrap();
    // Authorities publish their lists without PEM around them.
    let list = folder.path().join("revoked.crl");
    let made = tool("openssl")
        .args(["crl", "-outform", "DER", "-in"])
        .arg(hospital.revoke(&[&lost], FAR))
        .arg("-out")
        .arg(&list)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", printed(&made));
    let sections = with_list(&own, &hospital, &list).replace(
        &hospital.file().display().to_string(),
        &both.display().to_string(),
    );
    let node = NodeSetup::default()
        .sections(&sections)
        .sections(&peer("scanner", "SCANNER", free_port(), ""))
        .start();
    assert!(
        by_tls(&node, "echoscu", &sound, &hospital).status.success(),
        "{}",
        node.log()
    );
    assert!(!by_tls(&node, "echoscu", &lost, &hospital).status.success());
    node.wait_for_log("the other side's certificate has been revoked");
}

#[test]
fn check_says_what_is_revoked_and_when_a_list_is_over_and_such_a_list_stays_in_force() {
    let hospital = Authority::new("hospital");
    let own = hospital.certify("irisnode");
    let lost = hospital.certify("lost");
    let list = hospital.revoke(&[&lost], FAR);
    let node = NodeSetup::default()
        .sections(&with_list(&own, &hospital, &list))
        .sections(&peer("scanner", "SCANNER", free_port(), ""))
        .start();
    let check = || {
        let output = node.command("check").output().unwrap();
        let text = printed(&output).replace(['\n', '│'], " ");
        let words: Vec<&str> = text.split_whitespace().collect();
        (output.status.success(), words.join(" "))
    };
    let (valid, text) = check();
    let said = "revoked certificates: 1 of CN=hospital, until 2099-01-01";
    assert!(valid && text.contains(said), "{text}");
    assert!(!text.contains("should have been replaced"), "{text}");

    hospital.revoke(&[&lost], (2025, 6, 1));
    let (valid, text) = check();
    let said = "revoked certificates of CN=hospital should have been replaced on 2025-06-01";
    assert!(valid && text.contains(said), "{text}");
    let refused = || !by_tls(&node, "echoscu", &lost, &hospital).status.success();
    assert!(wait_until(PATIENCE, refused));
    node.wait_for_log("should have been replaced by a newer one");

    std::fs::write(&list, "no list at all").unwrap();
    let (valid, text) = check();
    let said = "holds no list of revoked certificates";
    assert!(!valid && text.contains(said), "{text}");
}
