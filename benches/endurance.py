"""What must not grow, and how many may call at once.

A node without rules takes 100,000 small instances; its memory and its rate are
read as they come. Then its index is given rows until it has a million (of
series that nobody sent: rows only, for it is the index that could slow it
down), the node is started on it again, and the rate is measured anew beside a
node with an empty index, by turns. Last, 32 associations are opened one after
the other, stay open, and each brings an instance.
"""

import os
import shutil
import sqlite3
import time

import pydicom
from drawn_series import drawn_series, files, small_instances
from process_memory import memory_mib
from processes import Processes
from pynetdicom import AE
from receive import fresh, send, settle
from rounds import digits, interleave, ratio, seconds, spread, table, times_as_fast
from storage_providers import irisnode

TITLE = "What does not grow"
BATCH = 5000
ASSOCIATIONS = 32


def measure(quick, folder):
    os.environ["TCP_NODELAY"] = "1"
    settle(quick)
    # Even: each begins as often as the other.
    total, index_rows, rounds = (2000, 20_000, 2) if quick else (100_000, 1_000_000, 6)
    batch = min(BATCH, total // 2)
    source = pydicom.dcmread(files(drawn_series(3, (64, 64, 20), (6.0, 6.0, 10.0)))[0])
    rows, memory, rates = [], {}, {}
    with Processes() as processes:
        node = irisnode(processes, folder / "grown", settings="max_associations = 64")
        for received in range(batch, total + 1, batch):
            instances = new_instances(batch, folder / "instances")
            begun = time.perf_counter()
            send(node, instances, 1)
            rates[received] = batch / (time.perf_counter() - begun)
            memory[received] = memory_mib("VmRSS", node.process.pid)
        shown = sorted({batch, total // 10, total // 2, total} & set(rates))
        rows += [[f"{received:,} instances received", f"{digits(memory[received])} MiB in use",
                  f"{digits(rates[received])} instances/s"] for received in shown]
        held = hold(node, source)
        rows.append([f"{held} associations at once", "all accepted, all answered", ""])
    fill_index(folder / "grown/data/index.sqlite", index_rows)
    taken = by_turns(batch, rounds, folder)
    faster = times_as_fast(taken["empty"], taken["grown"])
    rows.append([f"index of {index_rows:,} rows", f"{batch:,} instances in {seconds(taken['grown'])}",
                 f"{ratio(faster)} of an empty one's rate"])
    notes = [f"Instances of 64 × 64 over one association, {batch:,} at a time; {rounds} rounds by turns for the last row."]
    figures = {"resident_mib": memory, "instances_per_s": rates, "associations": held, "by_turns_s": taken,
               "grown_times_as_fast_as_empty": faster}
    return {"figures": figures, "table": table(["", "", ""], rows), "notes": notes}


def new_instances(count, folder):
    """Small instances in a folder of their own: where earlier ones were deleted, each new file would be slow."""
    folder.mkdir(exist_ok=True)
    return small_instances(count, fresh(folder, "batch"))


def hold(node, source):
    """Opens associations, none of which ends before all have brought an instance; how many there were."""
    held = []
    for _ in range(ASSOCIATIONS):
        scanner = AE("BENCH")
        scanner.add_requested_context(source.SOPClassUID, pydicom.uid.ExplicitVRLittleEndian)
        association = scanner.associate("127.0.0.1", node.port, ae_title=node.ae_title)
        if not association.is_established:
            raise SystemExit(f"irisnode took {len(held)} associations and no more")
        held.append(association)
    for association in held:
        source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        status = association.send_c_store(source)
        if status.get("Status") != 0:
            raise SystemExit(f"irisnode refused an instance: {status}")
    for association in held:
        association.release()
    return len(held)


def fill_index(index, rows):
    """Gives the index rows like those it has, of series of a thousand instances: the new ones fall among them."""
    with sqlite3.connect(index) as database:
        (have,) = database.execute("SELECT count(*) FROM instances").fetchone()
        series = max(0, rows - have) // 1000 + 1
        database.execute(
            """WITH RECURSIVE number(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM number WHERE n < ?)
               INSERT INTO series (series_uid, study_uid, modality, calling_ae, called_ae, first_at, last_at)
               SELECT '2.25.777.' || n, '2.25.778.' || n, 'CT', 'BENCH', 'IRISNODE', first_at, last_at
               FROM number, (SELECT first_at, last_at FROM series LIMIT 1)""",
            (series,),
        )
        database.execute(
            """INSERT INTO jobs (series, state, reason, created_at, updated_at)
               SELECT id, 'skipped', 'no rule matched', first_at, last_at FROM series WHERE series_uid LIKE '2.25.777.%'"""
        )
        database.execute(
            """WITH RECURSIVE number(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM number WHERE n < 1000)
               INSERT INTO instances (series, sop_instance_uid, sop_class_uid, transfer_syntax, file, size, received_at,
                                      study_series)
               SELECT series.id, '1.2.826.0.1.3680043.8.498.' || abs(random()) || abs(random()), sop_class_uid,
                      transfer_syntax,
                      lower(hex(randomblob(1))) || '/' || lower(hex(randomblob(32))) || '.dcm', size, received_at,
                      study_series
               FROM series, number, (SELECT * FROM instances LIMIT 1) WHERE series_uid LIKE '2.25.777.%'"""
        )
        (have,) = database.execute("SELECT count(*) FROM instances").fetchone()
        if have < rows:
            raise SystemExit(f"the index has {have} rows instead of {rows}")


def by_turns(batch, rounds, folder):
    """Seconds for a batch of new instances: by the node whose index is full, and by one that begins."""
    with Processes() as processes:
        nodes = {name: start_on(processes, folder / name) for name in ("grown", "empty")}
        prepared = new_instances(200, folder / "instances")
        for node in nodes.values():
            send(node, prepared, 1)

        def one_run(node):
            instances = new_instances(batch, folder / "instances")
            begun = time.perf_counter()
            send(node, instances, 1)
            return time.perf_counter() - begun

        return interleave({name: lambda node=node: one_run(node) for name, node in nodes.items()}, rounds)


def start_on(processes, folder):
    """A node on the data that a folder has."""
    data = folder / "data"
    kept = folder.with_name(f"{folder.name}-data")
    if data.exists():
        data.rename(kept)
        shutil.rmtree(folder)
    else:
        kept.mkdir(parents=True)
    return irisnode(processes, folder, data=kept)
