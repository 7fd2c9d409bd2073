//! The status page, health and metrics, as a browser, a watchdog and Prometheus see them.

use crate::support::http::{self, Answer};
use crate::support::{DrawnSeries, Node, NodeSetup, PATIENCE, free_port, python, tool, wait_until};
use crate::{ANY_CT, WITH_ORGANS, printed, receiver, send, small_slices, storescp};
use serde_json::Value;
use std::process::Command;

const UID: &str = "1.2.826.0.1.3680043.10.543.95";

fn get(port: u16, path: &str) -> Answer {
    http::request(port, "GET", path, &format!("127.0.0.1:{port}"), b"").expect("an answer")
}

/// The page as a browser has it after its scripts ran.
fn in_chromium(port: u16) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = tool("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://127.0.0.1:{port}/"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The metrics as Prometheus' own parser reads them: name with labels → value.
fn metrics(port: u16) -> Value {
    let script = "import json, sys\n\
        from prometheus_client.parser import text_string_to_metric_families as read\n\
        families = list(read(sys.stdin.read()))\n\
        assert all(f.documentation for f in families if f.name.startswith('irisnode')), families\n\
        print(json.dumps({s.name + str(sorted(s.labels.items())): s.value for f in families for s in f.samples}))";
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("metrics");
    let answer = get(port, "/metrics");
    assert_eq!(answer.status, 200);
    std::fs::write(&text, &answer.body).unwrap();
    let output = Command::new(python())
        .args(["-c", script])
        .stdin(std::fs::File::open(&text).unwrap())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        printed(&output),
        answer.text()
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_browser_shows_every_series_and_prometheus_counts_them() {
    let (web, pacs_port) = (free_port(), free_port());
    let pacs_folder = tempfile::tempdir().unwrap();
    let _pacs = storescp(pacs_folder.path(), pacs_port);
    let node = NodeSetup::default()
        .web(&format!("listen = \"127.0.0.1:{web}\""))
        .peer("scanner", "SCANNER", free_port())
        .peer("pacs", "PACS", pacs_port)
        .rule("every CT", &format!("{ANY_CT}\ndestinations = [\"pacs\"]"))
        .start();
    assert!(in_chromium(web).contains("No series has arrived yet."));
    assert_eq!(get(web, "/healthz").status, 200);
    assert_eq!(get(web, "/readyz").status, 200);

    let folder = tempfile::tempdir().unwrap();
    let drawn = DrawnSeries::new(UID, WITH_ORGANS).write(&folder.path().join("drawn"));
    send(&node, &drawn);
    // Two slices are no volume.
    let two = small_slices(&folder.path().join("two"), &format!("{UID}.77"), 2);
    send(&node, &two);
    let jobs = node.ended_jobs(2);

    let page = in_chromium(web);
    for job in &jobs {
        assert!(page.contains(job["state"].as_str().unwrap()), "{page}");
    }
    let reason = jobs[0]["reason"].as_str().unwrap();
    let as_html = reason
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    assert!(page.contains(&as_html), "{as_html}\n{page}");
    assert!(
        page.contains("1 delivered") && page.contains("1 failed"),
        "{page}"
    );

    assert_lists_what_is_asked_for(&node, web, &jobs);

    let metrics = metrics(web);
    let value = |name: &str| {
        metrics[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name} in {metrics:#}"))
    };
    let sent = drawn.len() + two.len();
    assert_eq!(value("irisnode_instances_received_total[]"), sent as f64);
    assert_eq!(
        value("irisnode_associations_total[('end', 'released')]"),
        2.0
    );
    assert_eq!(value("irisnode_jobs[('state', 'delivered')]"), 1.0);
    assert_eq!(value("irisnode_jobs[('state', 'failed')]"), 1.0);
    assert_eq!(value("irisnode_jobs[('state', 'held')]"), 0.0);
    let delivered = "irisnode_deliveries_total[('destination', 'pacs'), ('outcome', 'delivered')]";
    assert_eq!(value(delivered), 1.0);
    assert_eq!(value("irisnode_segmenting_seconds_count[]"), 1.0);
    assert!(value("irisnode_network_seconds_sum[]") < value("irisnode_segmenting_seconds_sum[]"));
    assert!(value("irisnode_data_free_bytes[]") > 0.0);
}

/// By state, and the older ones, on the page and by `irisnode jobs`; the newest of `jobs` failed.
fn assert_lists_what_is_asked_for(node: &Node, web: u16, jobs: &[Value]) {
    let [failed, delivered] = [&jobs[0]["id"], &jobs[1]["id"]];
    for (asked, shown) in [
        ("/".to_owned(), vec![failed, delivered]),
        ("/?state=failed".into(), vec![failed]),
        ("/?state=held".into(), vec![]),
        (format!("/?before={failed}"), vec![delivered]),
        (format!("/?state=failed&before={failed}"), vec![]),
    ] {
        let page = get(web, &asked).text();
        for job in [failed, delivered] {
            let is_shown = page.contains(&format!("href=\"/jobs/{job}\""));
            assert_eq!(is_shown, shown.contains(&job), "{asked}\n{page}");
        }
        let options = asked.trim_start_matches("/").trim_start_matches('?');
        let options = options.split('&').filter(|option| !option.is_empty());
        let listed = node
            .command("jobs")
            .args(options.map(|option| format!("--{option}")))
            .arg("--json")
            .output()
            .unwrap();
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        let ids: Vec<&Value> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|j| &j["id"])
            .collect();
        assert_eq!(ids, shown, "{asked}");
    }
    assert_eq!(get(web, "/?state=lost").status, 400);
}

#[test]
fn the_page_is_for_this_machine_only() {
    let web = free_port();
    let node = receiver()
        .web(&format!("listen = \"127.0.0.1:{web}\""))
        .start();
    // A name that a stranger's page might have given this machine's address.
    let rebound = http::request(web, "GET", "/", "pacs.example", b"").unwrap();
    assert_eq!(rebound.status, 421);
    assert!(!rebound.text().contains("Jobs"));
    for path in ["/", "/style.css", "/live.js", "/metrics", "/nowhere"] {
        let answer = get(web, path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(get(web, "/nowhere").status, 404);
    let refused = http::request(web, "POST", "/", "localhost", b"").unwrap();
    assert_eq!(refused.status, 405);

    // Open to the network is refused before anything starts.
    let configuration = tempfile::tempdir().unwrap();
    let file = configuration.path().join("irisnode.toml");
    std::fs::write(&file, "[web]\nlisten = \"0.0.0.0:8042\"\n").unwrap();
    let check = crate::support::irisnode()
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(!check.status.success());
    assert!(
        printed(&check).contains("open to the network"),
        "{}",
        printed(&check)
    );
    drop(node);
}

#[test]
fn a_disk_that_is_full_is_not_ready_and_says_so() {
    let web = free_port();
    let mut node: Node = receiver()
        .node("min_free = \"1000 TiB\"")
        .web(&format!("listen = \"127.0.0.1:{web}\""))
        .start();
    let answer = get(web, "/readyz");
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("min_free"), "{}", answer.text());
    assert_eq!(get(web, "/healthz").status, 200);
    // It goes down with the node.
    node.stop();
    let gone = wait_until(PATIENCE, || {
        http::request(web, "GET", "/healthz", "localhost", b"").is_none()
    });
    assert!(gone);
}
