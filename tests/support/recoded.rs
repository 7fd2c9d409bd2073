//! Files in another transfer syntax, by programs that are not ours.

use super::{python, root, tool};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each file as `program` (DCMTK's, or `recode.py` of this folder) with its first arguments makes it, under its own
/// name in `folder`.
pub fn recoded(program: &[&str], files: &[PathBuf], folder: &Path) -> Vec<PathBuf> {
    std::fs::create_dir_all(folder).expect("folder");
    let recode = |file: &PathBuf| {
        let to = folder.join(file.file_name().expect("a file has a name"));
        let mut command = match program[0] {
            "recode.py" => {
                let mut command = Command::new(python());
                command.arg(root().join("tests/support/recode.py"));
                command.arg(root().join(".deps/node"));
                command
            }
            name => tool(name),
        };
        let done = command.args(&program[1..]).arg(file).arg(&to).output();
        let done = done.expect("the program starts");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{program:?}: {said}");
        to
    };
    files.iter().map(recode).collect()
}
