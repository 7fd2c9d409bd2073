#!/bin/bash
# Runs each fuzz target for RUNS inputs (or those named as arguments), and prints how many there were and how fast. The
# exit code is 1 when one broke something; the input that did lies in fuzz/artifacts/TARGET/.
#
# libFuzzer works in fuzz/target/corpus; what is worth keeping goes into fuzz/corpus by hand, since the test suite runs
# all of it.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${RUNS:-20000}
targets=${*:-association ingestion seg rtstruct nifti config rules dicomweb}

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzz: needs a nightly Rust: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
if ! command -v cargo-fuzz >/dev/null; then
    cargo install cargo-fuzz --locked
fi
# Our own code has no `unsafe`; for that of codecs SANITIZER=address, at a third of the speed. COMPARES=no: libFuzzer is
# not told what is compared with what, at several times the speed; for text, whose words the corpus has.
built=fuzz/target
options=(--sanitizer "${SANITIZER:-none}")
if [ "${COMPARES:-yes}" = no ]; then
    built=fuzz/target/no-compares
    options+=(--no-trace-compares --target-dir "$built")
fi
cargo +nightly fuzz build "${options[@]}"

# Threads would hide from libFuzzer which input did what.
export RAYON_NUM_THREADS=1
failed=0
printf '%-12s %12s %8s %8s\n' target inputs per-s MiB
for target in $targets; do
    work=fuzz/target/corpus/$target
    artifacts=fuzz/artifacts/$target
    mkdir -p "$work" "$artifacts"
    log=fuzz/target/$target.log
    ended=0
    "$built"/x86_64-unknown-linux-gnu/release/"$target" "$work" "fuzz/corpus/$target" \
        -artifact_prefix="$artifacts/" -runs="$runs" -max_len=8192 -timeout=20 -rss_limit_mb=1024 \
        -malloc_limit_mb=512 -print_final_stats=1 -close_fd_mask=1 ${FUZZ_OPTIONS:-} >"$log" 2>&1 || ended=$?
    stat() { sed -n "s/^stat::$1: *//p" "$log"; }
    printf '%-12s %12s %8s %8s\n' "$target" "$(stat number_of_executed_units)" \
        "$(stat average_exec_per_sec)" "$(stat peak_rss_mb)"
    if [ $ended -ne 0 ]; then
        failed=1
        grep -m3 -E "panicked|ERROR|SUMMARY|Test unit written" "$log" || tail -5 "$log"
    fi
done
exit $failed
