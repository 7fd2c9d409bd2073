//! The map of the house, enforced: which room may import which (CONTRIBUTING.md draws it).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Room → rooms it may import. `cli` is the roof and may import everything; `node` everything below it.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // Ground floor.
    ("archive", &[]),
    ("config", &[]),
    ("dimse", &[]),
    ("iris", &[]),
    ("http_client", &[]),
    ("http_server", &["tls"]),
    ("terminology", &[]),
    ("tls", &[]),
    ("users", &[]),
    ("volume", &[]),
    // The road, left to right.
    ("receive", &["archive", "dimse", "tls"]),
    ("assemble", &["volume"]),
    ("route", &["config"]),
    ("preprocess", &["volume"]),
    ("tasks", &["iris", "preprocess", "terminology", "volume"]),
    (
        "segment",
        &["iris", "preprocess", "tasks", "terminology", "volume"],
    ),
    ("encode", &["assemble", "terminology", "volume"]),
    ("deliver", &["config", "dimse", "tls"]),
    (
        "web",
        &[
            "archive",
            "assemble",
            "config",
            "deliver",
            "encode",
            "http_server",
            "picture",
            "route",
            "tasks",
            "teach",
            "tls",
            "users",
        ],
    ),
    (
        "dicomweb",
        &[
            "archive",
            "assemble",
            "http_client",
            "http_server",
            "tls",
            "users",
        ],
    ),
    // Beside the road.
    ("notify", &["config", "http_client"]),
    ("telemetry", &["config", "http_client"]),
    (
        "evaluate",
        &[
            "iris",
            "phantom",
            "preprocess",
            "segment",
            "tasks",
            "terminology",
            "volume",
        ],
    ),
    (
        "teach",
        &[
            "archive",
            "assemble",
            "encode",
            "iris",
            "picture",
            "segment",
            "tasks",
            "terminology",
            "volume",
        ],
    ),
    ("picture", &["volume"]),
    ("phantom", &["iris", "preprocess", "terminology", "volume"]),
];

#[test]
fn rooms_import_only_what_the_map_allows() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let map: BTreeMap<&str, BTreeSet<&str>> = MAY_IMPORT
        .iter()
        .map(|(room, imports)| (*room, imports.iter().copied().collect()))
        .collect();
    let rooms: Vec<String> = std::fs::read_dir(&source)
        .expect("src is readable")
        .filter_map(|entry| {
            let entry = entry.expect("src is readable");
            entry
                .path()
                .is_dir()
                .then(|| entry.file_name().to_string_lossy().into_owned())
        })
        .collect();
    let imported = regex::Regex::new(r"\bcrate::([a-z_]+)").expect("a valid pattern");
    let mut offences = Vec::new();
    for room in rooms
        .iter()
        .filter(|room| !["cli", "node"].contains(&room.as_str()))
    {
        let Some(allowed) = map.get(room.as_str()) else {
            offences.push(format!("src/{room}/ is not on the map in this test"));
            continue;
        };
        for file in walkdir::WalkDir::new(source.join(room)) {
            let file = file.expect("src is readable");
            if file
                .path()
                .extension()
                .is_none_or(|extension| extension != "rs")
            {
                continue;
            }
            let text = std::fs::read_to_string(file.path()).expect("a source file");
            for (number, line) in text.lines().enumerate() {
                // Unit tests may build their situation from anywhere in the house.
                if line.trim_start().starts_with("#[cfg(test)]") {
                    break;
                }
                if line.trim_start().starts_with("//") {
                    continue;
                }
                for capture in imported.captures_iter(line) {
                    let target = &capture[1];
                    let is_room = rooms.iter().any(|room| room == target);
                    if is_room && target != room && !allowed.contains(target) {
                        offences.push(format!(
                            "{}:{}: {room} must not import {target}",
                            file.path().display(),
                            number + 1
                        ));
                    }
                }
            }
        }
    }
    assert!(
        offences.is_empty(),
        "the road turns back:\n{}",
        offences.join("\n")
    );
}

#[test]
fn the_map_itself_has_no_circle() {
    let map: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    fn reaches(map: &BTreeMap<&str, &[&str]>, from: &str, goal: &str) -> bool {
        map.get(from).is_some_and(|next| {
            next.iter()
                .any(|room| *room == goal || reaches(map, room, goal))
        })
    }
    for room in map.keys() {
        assert!(
            !reaches(&map, room, room),
            "{room} imports itself around a corner"
        );
    }
}
