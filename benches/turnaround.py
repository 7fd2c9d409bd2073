"""Turnaround, and the share of it that is not the network.

A CT series goes to irisnode; from the acknowledgement of its last instance
until Orthanc has acknowledged the DICOM-SEG, less the quiet time an
administrator chose to wait, or, where the sender is a peer with
`expected_count`, without any: irisnode asks Orthanc, which has the series
already, how many instances there are. The network's own time is what
irisnode's log says. Each round sends the same pixels under new UIDs, by turns
in either way.
"""

import datetime
import json
import re
import subprocess
import time

import pydicom
from drawn_series import drawn_series, files
from places import IRISNODE, WEIGHTS
from processes import Processes, free_port, wait_for
from pynetdicom import AE
from rounds import digits, interleave, seconds, spread, table
from storage_providers import irisnode, orthanc

TITLE = "Turnaround"
QUIET = 1.0
TASK = ("liver", "spleen", "stomach", "kidney_left", "kidney_right")


def measure(quick, folder):
    slices, rounds = (20, 2) if quick else (100, 7)
    size, spacing = ((256, 256, slices), (1.6, 1.6, 8.0)) if quick else ((512, 512, slices), (0.8, 0.8, 3.0))
    instances = [pydicom.dcmread(file) for file in files(drawn_series(3, size, spacing))]
    with Processes() as processes:
        port = free_port()
        pacs = orthanc(processes, folder / "pacs", {"DicomModalities": {"irisnode": ["IRISNODE", "127.0.0.1", port]},
                                                    "DicomAlwaysAllowFind": True})
        node = start_node(processes, folder, pacs, port)
        ways = {
            "after the quiet time": lambda: one_run(node, "SCANNER", instances, QUIET),
            "counted": lambda: (send(pacs, "SCANNER", renamed(instances)), one_run(node, "ORTHANC", instances, 0))[1],
        }
        # The first of each, unmeasured, warms them.
        runs = {way: taken[1:] for way, taken in interleave(ways, rounds + 1).items()}
    rows, figures = [], {}
    for way, taken in runs.items():
        columns = {step: [run[step] for run in taken] for step in taken[0]}
        for step, values in columns.items():
            share = [100 * v / run["turnaround"] for v, run in zip(values, taken, strict=True)]
            rows.append([way, step, seconds(values), percent(share)])
        beside = [run["turnaround"] - run["network"] for run in taken]
        share = [100 * v / run["turnaround"] for v, run in zip(beside, taken, strict=True)]
        rows.append([way, "all but the network", seconds(beside), percent(share)])
        figures[way] = columns | {"all_but_the_network": beside}
    notes = [f"{' × '.join(map(str, size))} CT, a task of {len(TASK)} segments, {rounds} rounds; of the first way the quiet "
             f"time of {QUIET:.0f} s is taken off."]
    return {"figures": figures, "table": table(["complete", "", "time", "share of turnaround"], rows), "notes": notes}


def percent(values):
    s = spread(values)
    return f"{digits(s['median'])} % ({digits(s['least'])}–{digits(s['greatest'])})"


def start_node(processes, folder, pacs, port):
    """An irisnode that knows one task and sends its results to the PACS; a sender that it counts by is that PACS."""
    tasks = folder / "tasks"
    teach(folder, tasks)
    return irisnode(
        processes,
        folder / "irisnode",
        port=port,
        quiet_time=f"{QUIET:.0f}s",
        settings=f'task_dir = "{tasks}"',
        sections=f"""\
[[peer]]
name = "pacs"
ae_title = "{pacs.ae_title}"
host = "127.0.0.1"
port = {pacs.port}
expected_count = true

[[rule]]
name = "CT"
tasks = ["organs"]
destinations = ["pacs"]
when = {{ Modality = "CT" }}
""",
    )


def teach(folder, tasks):
    """The task, by one drawn subject; its embedding is computed here."""
    example = drawn_series(10, (128, 96, 64), (3.0, 3.0, 4.0), TASK, form="nifti")
    configuration = folder / "teach.toml"
    configuration.write_text(f'[node]\ndata_dir = "{folder / "taught"}"\ntask_dir = "{tasks}"\nweights = "{WEIGHTS}"\n')
    command = [IRISNODE, "task", "add", "organs", "--config", configuration,
               "--image", example / "image.nii.gz", "--label", example / "labels.nii.gz"]
    for number, name in enumerate(TASK, 1):
        command += ["--segment", f"{number}={name}"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"the task was not taught\n{done.stderr}")


def one_run(node, sender, instances, waits):
    """Sends the series; where the time until the PACS has its result went, seconds, less what is waited by intent."""
    logged = len(log_lines(node))
    acknowledged = send(node, sender, renamed(instances) if sender == "SCANNER" else instances)
    wait_for("the DICOM-SEG in the PACS", 500, lambda: delivered(node, logged), node.process, node.log)
    events = {line["fields"]["message"]: line for line in log_lines(node)[logged:]}
    segmented = events["segmented"]
    times = {name: moment(line) for name, line in events.items()}
    network, elapsed = duration(segmented["fields"]["network"]), duration(segmented["fields"]["elapsed"])
    turnaround = times["delivered"] - acknowledged - waits
    sending = times["delivered"] - times["segmented"]
    return {
        "turnaround": turnaround,
        "until segmenting begins": turnaround - sending - elapsed,
        "network": network,
        "rest of segmenting: reading, resampling, encoding": elapsed - network,
        "sending": sending,
    }


def renamed(instances):
    """The same instances as a new series."""
    study, series = pydicom.uid.generate_uid(), pydicom.uid.generate_uid()
    for instance in instances:
        instance.StudyInstanceUID, instance.SeriesInstanceUID = study, series
        instance.SOPInstanceUID = instance.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    return instances


def send(provider, sender, instances):
    """C-STOREs instances; the time at which the last was acknowledged."""
    scanner = AE(sender)
    scanner.add_requested_context(instances[0].SOPClassUID, pydicom.uid.ExplicitVRLittleEndian)
    association = scanner.associate("127.0.0.1", provider.port, ae_title=provider.ae_title)
    if not association.is_established:
        raise SystemExit(f"{provider.ae_title} took no association")
    # pynetdicom's own thread is parked for a request, and now and then takes the answer off the queue before it is
    # (`_run_reactor` of 3.0.4: it is past its checkpoint while `_is_paused` still says otherwise); the request then
    # waits in vain. It stays parked here until the last is answered.
    checkpoint = association._reactor_checkpoint
    checkpoint.clear()
    time.sleep(0.05)
    checkpoint.set, goes_on = lambda: None, checkpoint.set
    for instance in instances:
        status = association.send_c_store(instance)
        if status.get("Status") != 0:
            raise SystemExit(f"{provider.ae_title} refused an instance: {status}")
    acknowledged = time.time()
    checkpoint.set = goes_on
    checkpoint.set()
    association.release()
    return acknowledged


def delivered(node, logged):
    messages = [line["fields"].get("message") for line in log_lines(node)[logged:]]
    if bad := {"failed", "nothing to send"} & set(messages):
        raise SystemExit(f"the series gave no result: {bad}\n{log_lines(node)[logged:]}")
    return "delivered" in messages


def log_lines(node):
    return [json.loads(line) for line in node.log.read_text().splitlines() if line.endswith("}")]


def moment(line):
    """Seconds since 1970 of a line of the log."""
    return datetime.datetime.fromisoformat(line["timestamp"]).timestamp()


def duration(text):
    """Seconds of a duration as Rust prints it: 1.2s, 34.5ms, 67µs."""
    number, unit = re.fullmatch(r"([\d.]+)(s|ms|µs|ns)", text).groups()
    return float(number) * {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit]
