"""Writing a DICOM-SEG: irisnode against highdicom.

The same label map on the same CT series, BINARY, empty frames left out, built
from arrays in memory and saved to a file. Both files are then read by
highdicom and compared with the label map, voxel by voxel.
"""

import sys

import highdicom
import nibabel
import numpy as np
from conversation import Conversation
from drawn_series import drawn_series
from places import ROOT
from processes import Processes
from programs import built
from rounds import digits, interleave, ratio, seconds, table, times_as_fast

TITLE = "Writing a DICOM-SEG"
OURS, THEIRS = "irisnode", "highdicom"
# In this order: the first five are the task of five.
SEGMENTS = (
    "liver spleen stomach kidney_left kidney_right colon small_bowel pancreas duodenum aorta inferior_vena_cava "
    "gallbladder adrenal_gland_left adrenal_gland_right autochthon_left vertebrae_T10 vertebrae_T11 vertebrae_T12 "
    "vertebrae_L1 vertebrae_L2"
).split()


def measure(quick, folder):
    size, spacing, rounds = ((256, 256, 50), (1.6, 1.6, 6.0), 2) if quick else ((512, 512, 100), (0.8, 0.8, 3.0), 7)
    drawn = drawn_series(3, size, spacing, SEGMENTS)
    labels = np.asarray(nibabel.load(drawn / "labels.nii.gz").dataobj).astype("<u2").transpose(2, 1, 0)
    figures, rows = {}, []
    for count in (5, len(SEGMENTS)):
        kept = np.where(labels <= count, labels, 0).astype("<u2")
        kept.tofile(folder / "labels.raw")
        first, answers = write_in_turns(drawn / "series", folder, count, rounds)
        for name, file in outputs(folder).items():
            check(name, file, kept)
        taken = {name: [answer["seconds"] for answer in answers[name]] for name in answers}
        faster = times_as_fast(taken[THEIRS], taken[OURS])
        for name, file in outputs(folder).items():
            peak = first[name]["peak_mib"]
            kib = file.stat().st_size / 1024
            rows.append([count, name, seconds(taken[name]), ratio(faster) if name == THEIRS else "",
                         f"{digits(peak)} MiB", f"{kib:.0f} KiB"])
            figures[f"{count} segments, {name}"] = {"seconds": taken[name], "peak_mib": peak, "file_kib": kib}
        figures[f"{count} segments, irisnode_times_as_fast"] = faster
    heading = ["segments", "", "built and saved", "irisnode is", "memory beyond the input", "file"]
    notes = [f"Label map {' × '.join(map(str, size))}, {rounds} rounds; highdicom {highdicom.__version__}. "
             "Both files decode, through highdicom, to the label map, every voxel."]
    return {"figures": figures, "table": table(heading, rows), "notes": notes}


def outputs(folder):
    return {OURS: folder / "irisnode.dcm", THEIRS: folder / "highdicom.dcm"}


def write_in_turns(series, folder, count, rounds):
    """What each side answered the first time, and then round by round.

    The first warms it and is not timed; but it alone shows the memory needed, which an allocator keeps for the next.
    """
    files = outputs(folder)
    programs = {OURS: [built("seg_writing")], THEIRS: [sys.executable, ROOT / "benches/seg_writing_highdicom.py"]}
    with Processes() as processes:
        sides = {
            name: Conversation(processes, [*program, series, folder / "labels.raw", count, files[name]],
                               folder / f"{name}.log")
            for name, program in programs.items()
        }
        first = {name: side.ask("write") for name, side in sides.items()}
        return first, interleave({name: lambda side=side: side.ask("write") for name, side in sides.items()}, rounds)


def check(name, file, labels):
    """Every voxel of the file, at its height in the patient, is that of the label map."""
    volume = highdicom.seg.segread(file).get_volume(combine_segments=True)
    upward = volume.affine[2, 0] > 0
    found = volume.array if upward else volume.array[::-1]
    # A file spans the slices that have a frame; below and above them the label map must be empty.
    heights = np.flatnonzero(labels.any(axis=(1, 2)))
    if not np.array_equal(found, labels[heights[0]:heights[-1] + 1]):
        raise SystemExit(f"{name}'s file decodes to other voxels than the label map")
