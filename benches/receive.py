"""Receiving: irisnode against DCMTK storescp, Orthanc, pynetdicom and dicom-rs.

Two loads: a CT series of 300 slices, and 5,000 small instances.

One sender for all (DCMTK dcmsend), the same files, a fresh provider with an
empty folder each time (Orthanc passes over instances that it holds). Timed:
from the start of the senders until the last has ended. The disk is synced
before each, so that nobody pays for what another left in the cache; and after
each it is synced once more, which tells when a provider that answers before
its files are durable has them on disk. A peer that refuses an instance now and
then (Orthanc does, over eight associations) is measured still, and it is said;
where it loses more, it is measured again, and that is said.

dicom-rs's storescp is built once from its crate, into .deps/dicom-rs.

Debian builds DCMTK, and so dcmsend, storescp and Orthanc, with Nagle's
algorithm left on: messages then wait 40 ms for a delayed acknowledgement, and
that wait is all one would measure. TCP_NODELAY=1 turns it off for all of them;
receive_shipped.py leaves it as it is.
"""

import os
import re
import shutil
import subprocess
import sys
import time

from drawn_series import drawn_series, files, small_instances
from processes import Processes
from places import OUT
from rounds import digits, interleave, ratio, seconds, spread, table, times_as_fast
from storage_providers import dicom_rs, irisnode, orthanc, pynetdicom, storescp

TITLE = "Receiving"
OURS = "irisnode"
PROVIDERS = {
    OURS: irisnode,
    "Orthanc": orthanc,
    "Orthanc, SyncStorageArea off": lambda p, f, **more: orthanc(p, f, {"SyncStorageArea": False}, **more),
    "storescp": storescp,
    "dicom-rs storescp": dicom_rs,
    "pynetdicom storescp": pynetdicom,
    "storescp --ignore (keeps nothing)": lambda p, f, **more: storescp(p, f, ["--ignore"], **more),
}
# ext4 passes over inodes that were freed in the last minute one by one, and in the last six where that is not on the
# disk yet: with 5,000 of them a new file takes 0.4 ms and not 0.03. So nothing is deleted between providers, or the next
# would pay for it, and what was deleted before has this long, s.
SETTLE = 65
HEADING = ["load", "associations", "provider", "all acknowledged", "instances/s", "irisnode is", "irisnode is, until on disk"]
# How often a peer may begin anew.
TRIES = 3
SYNCS = "fsync,fdatasync,sync_file_range,syncfs,sync,msync"


def measure(quick, folder):
    os.environ["TCP_NODELAY"] = "1"
    settle(quick)
    slices, small, rounds = (40, 200, 2) if quick else (300, 5000, 5)
    loads = {
        f"{slices} slices of 512 × 512": (files(drawn_series(3, (512, 512, slices), (0.8, 0.8, 1.0))), rounds),
        f"{small} instances of 64 × 64": (kept_instances(small), rounds),
    }
    figures, rows, notes = compare_all(loads, folder, PROVIDERS)
    instances, _ = next(iter(loads.values()))
    syncs = {name: count_syncs(start, folder, instances) for name, start in PROVIDERS.items()}
    notes += [f"Calls that sync to disk while {next(iter(loads))} are received over one association: "
              + ", ".join(f"{name} {'not counted (no strace)' if n is None else n}" for name, n in syncs.items()) + "."]
    return {"figures": figures | {"syncs": syncs}, "table": table(HEADING, rows), "notes": notes}


def compare_all(loads, folder, providers):
    """Figures, rows and notes of each load (name → instances and rounds) over one association and over eight."""
    figures, rows, notes = {}, [], []
    for load, (instances, rounds) in loads.items():
        for associations in (1, 8):
            rows += compare(load, instances, associations, rounds, folder, figures, notes, providers)
        size = sum(file.stat().st_size for file in instances) / 2**20
        notes.append(f"{load} are {size:.0f} MiB; rounds: {rounds}.")
    return figures, rows, notes


def compare(load, instances, associations, rounds, folder, figures, notes, providers):
    """The rows of a load over so many associations; every measurement goes to `figures`, what was refused to `notes`."""
    def run(name, start):
        def once(may_refuse):
            return one_run(start, folder, instances, associations, may_refuse)

        if name == OURS:
            # The promise is ours; a peer's is only measured.
            return once(0)
        for _ in range(TRIES - 1):
            try:
                return once(len(instances) // 100)
            except Refused as refused:
                notes.append(f"A run over {associations} associations was repeated: {refused}.")
        # However much it refuses; the others' figures should not be lost with its.
        return once(len(instances))

    runs = interleave({name: lambda name=name, start=start: run(name, start) for name, start in providers.items()}, rounds)
    for name, taken in runs.items():
        if refused := sum(run[2] for run in taken):
            notes.append(f"{name} refused {refused} of {rounds} × {load} over {associations} associations.")
    acknowledged = {name: [run[0] for run in taken] for name, taken in runs.items()}
    durable = {name: [run[1] for run in taken] for name, taken in runs.items()}
    rows = []
    for name in providers:
        faster = times_as_fast(acknowledged[name], acknowledged[OURS])
        faster_durable = times_as_fast(durable[name], durable[OURS])
        rate = len(instances) / spread(acknowledged[name])["median"]
        rows.append([load, associations, name, seconds(acknowledged[name]), digits(rate),
                     *(("", "") if name == OURS else (ratio(faster), ratio(faster_durable)))])
        figures[f"{load}, {associations} associations, {name}"] = {
            "acknowledged_s": acknowledged[name], "durable_s": durable[name], "instances_per_s": rate,
            "irisnode_times_as_fast": faster, "irisnode_times_as_fast_durable": faster_durable,
        }
    return rows


def kept_instances(count):
    """Small instances, made once."""
    folder = OUT / "series" / f"small-{count}"
    if not folder.exists():
        unfinished = OUT / "series" / f"small-{count}.{os.getpid()}"
        small_instances(count, unfinished)
        unfinished.rename(folder)
    return sorted(folder.iterdir())


def one_run(start, folder, instances, associations, may_refuse):
    """Seconds until every instance is answered, and until all of it is on disk; and how many were refused."""
    place = fresh(folder)
    with Processes() as processes:
        provider = start(processes, place)
        os.sync()
        begun = time.perf_counter()
        refused = send(provider, instances, associations, may_refuse)
        acknowledged = time.perf_counter() - begun
        os.sync()
        durable = time.perf_counter() - begun
    return acknowledged, durable, refused


def settle(quick):
    """Waits until what was deleted before costs nobody anything."""
    os.sync()
    if not quick:
        time.sleep(SETTLE)


class Refused(Exception):
    """A provider did not store what it was sent."""


def fresh(folder, of="provider"):
    """A folder of its own for a provider or for what is sent, which stays until all have been measured; see SETTLE."""
    return folder / f"{of}-{len(list(folder.iterdir()))}"


def send(provider, instances, associations, may_refuse=0):
    """Sends over associations held at once, each by a dcmsend of its own; how many instances were refused, of which
    there must not be more than that."""
    command = ["dcmsend", "--verbose", "--no-uid-checks", "--aetitle", "BENCH", "--call", provider.ae_title,
               "--timeout", "30", "--dimse-timeout", "120", "127.0.0.1", str(provider.port)]
    senders = [
        subprocess.Popen([*command, *map(str, instances[first::associations])],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for first in range(associations)
    ]
    said = [sender.communicate(timeout=1200)[0] for sender in senders]
    stored = sum(int(n) for n in re.findall(r"status SUCCESS\s*:\s*(\d+)", "\n".join(said)))
    refused = len(instances) - stored
    if refused > may_refuse:
        failed = [text for sender, text in zip(senders, said, strict=True) if sender.returncode] or said
        print(failed[0][-1500:], file=sys.stderr)
        raise Refused(f"{provider.ae_title} stored {stored} of {len(instances)} instances")
    return refused


def count_syncs(start, folder, instances):
    """How often a provider asks for its files to be on disk while it receives the series; None without strace."""
    if not shutil.which("strace"):
        return None
    place, trace = fresh(folder), folder / "trace"
    with Processes() as processes:
        provider = start(processes, place, wrap=["strace", "-f", "-e", f"trace={SYNCS}", "-o", trace])
        before = syncs_in(trace)
        send(provider, instances, 1)
        count = syncs_in(trace) - before
    return count


def syncs_in(trace):
    # A call that another thread's line interrupts is there twice, once as "resumed", without the parenthesis.
    return len(re.findall(rf"\b(?:{SYNCS.replace(',', '|')})\(", trace.read_text()))
