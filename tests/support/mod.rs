//! Real peers and real input for integration tests: Orthanc, DCMTK, Python, DICOM files.
//!
//! Everything listens on loopback, lives in a temporary folder, and dies with the value that stands for it.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part"
)]
#![allow(
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

mod authority;
mod dicom_file;
mod drawn_series;
pub mod http;
mod node;
mod orthanc;
mod process;
mod recoded;

pub use authority::{Authority, Holder};
pub use dicom_file::{CtSlice, data_set};
pub use drawn_series::DrawnSeries;
pub use node::{Node, NodeSetup, PATIENCE, TASK};
pub use orthanc::Orthanc;
pub use process::{Running, free_port, wait_until};
pub use recoded::recoded;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Python with the packages of setup/requirements.txt.
pub fn python() -> PathBuf {
    let python = root().join(".deps/venv/bin/python");
    assert!(
        python.exists(),
        "{} is missing: run `make deps`",
        python.display()
    );
    python
}

/// The folder of real images, where there is one: `$IRISNODE_SHARED` or `../shared/data`.
pub fn shared_data() -> Option<PathBuf> {
    let folder = std::env::var_os("IRISNODE_SHARED")
        .map_or_else(|| root().join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        Some(folder)
    } else {
        println!("left out: needs the real images of {}", folder.display());
        None
    }
}

/// The built program.
pub fn irisnode() -> Command {
    Command::new(env!("CARGO_BIN_EXE_irisnode"))
}

/// dicom3tools' checker of objects, pinned: Debian's is older than Label Map Segmentation.
pub fn dciodvfy() -> Command {
    Command::new(python().with_file_name("dciodvfy"))
}

/// A program of DCMTK or the like.
pub fn tool(name: &str) -> Command {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(found, "{name} is missing: run `make deps`");
    Command::new(name)
}
