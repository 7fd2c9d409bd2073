//! Tells the linker where libtorch lies, so that the binary starts without `LD_LIBRARY_PATH`.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    // An installed irisnode finds its libraries beside itself (packaging/).
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib/irisnode");
    if let Ok(libtorch) = std::env::var("LIBTORCH") {
        let lib = Path::new(&libtorch).join("lib");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
}
