//! Bytes that mean no good, through the entries of the fuzz targets (`fuzz/`): the corpus, which holds a seed of every
//! kind and every input that once broke something, and bombs, whose cost in memory is measured.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

mod bombs;
#[allow(dead_code, reason = "part of it is for libFuzzer")]
#[path = "../../fuzz/src/entries.rs"]
mod entries;
mod seeds;

use std::path::{Path, PathBuf};

/// Inputs of an entry, in order.
fn corpus(entry: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join(entry))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn the_corpus_goes_through_every_entry() {
    for (entry, run) in entries::ENTRIES {
        let files = corpus(entry);
        assert!(!files.is_empty(), "{entry}");
        for file in files {
            // Whoever fails here is named by the last line.
            println!("{}", file.display());
            run(&std::fs::read(&file).unwrap());
        }
    }
    entries::clean_up();
}
