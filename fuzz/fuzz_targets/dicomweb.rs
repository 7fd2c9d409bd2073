#![no_main]

libfuzzer_sys::fuzz_target!(
    init: irisnode_fuzz::let_panics_unwind(),
    |data: &[u8]| irisnode_fuzz::dicomweb(data)
);
