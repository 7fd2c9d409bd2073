"""Writing a DICOM-SEG: irisnode against highdicom and dcmqi.

The same label map on the same CT series, BINARY, empty frames left out. highdicom
is a library: both build from arrays in memory and save to a file. dcmqi is a
program: both are started, read the label file and the series, and save. Every
file is then read by highdicom and compared with the label map, voxel by voxel.
"""

import importlib.metadata
import json
import pathlib
import subprocess
import sys
import time

import highdicom
import nibabel
import numpy as np
from conversation import Conversation
from drawn_series import drawn_series
from places import ROOT
from process_memory import memory_mib
from processes import Processes
from programs import built
from rounds import digits, interleave, ratio, seconds, table, times_as_fast

TITLE = "Writing a DICOM-SEG"
OURS, THEIRS, PROGRAM = "irisnode", "highdicom", "dcmqi"
# In this order: the first five are the task of five.
SEGMENTS = (
    "liver spleen stomach kidney_left kidney_right colon small_bowel pancreas duodenum aorta inferior_vena_cava "
    "gallbladder adrenal_gland_left adrenal_gland_right autochthon_left vertebrae_T10 vertebrae_T11 vertebrae_T12 "
    "vertebrae_L1 vertebrae_L2"
).split()


def measure(quick, folder):
    size, spacing, rounds = ((256, 256, 50), (1.6, 1.6, 6.0), 2) if quick else ((512, 512, 500), (0.8, 0.8, 0.6), 5)
    drawn = drawn_series(3, size, spacing, SEGMENTS)
    image = nibabel.load(drawn / "labels.nii.gz")
    labels = np.asarray(image.dataobj).astype("<u2").transpose(2, 1, 0)
    figures, rows = {}, []
    for count in (5, len(SEGMENTS)):
        kept = np.where(labels <= count, labels, 0).astype("<u2")
        kept.tofile(folder / "labels.raw")
        nibabel.save(nibabel.Nifti1Image(kept.transpose(2, 1, 0), image.affine), folder / "labels.nii")
        (folder / "dcmqi.json").write_text(json.dumps(described(count)))
        first, answers = write_in_turns(drawn / "series", folder, count, rounds)
        taken = {name: [answer["seconds"] for answer in answers[name]] for name in answers}
        beyond = {name: answer["peak_mib"] for name, answer in first.items()}
        check_all((OURS, THEIRS), folder, kept)
        whole, all_of_it = run_in_turns(drawn / "series", folder, count, rounds)
        check_all((OURS, PROGRAM), folder, kept)
        for way, seconds_of, peaks in (("in memory", taken, beyond), ("the program", whole, all_of_it)):
            for name, values in seconds_of.items():
                faster = times_as_fast(values, seconds_of[OURS])
                peak = f"{digits(peaks[name])} MiB"
                kib = outputs(folder)[name].stat().st_size / 1024
                rows.append([count, way, name, seconds(values), "" if name == OURS else ratio(faster), peak,
                             f"{kib / 1024:.1f} MiB"])
                figures[f"{count} segments, {way}, {name}"] = {"seconds": values, "irisnode_times_as_fast": faster,
                                                               "peak_mib": peaks[name], "file_kib": kib}
    heading = ["segments", "", "", "written in", "irisnode is", "memory", "file"]
    notes = [f"Label map {' × '.join(map(str, size))}, {rounds} rounds; highdicom {highdicom.__version__}, dcmqi "
             f"{importlib.metadata.version('dcmqi')}. *In memory*: from arrays to a saved file, the "
             "memory beyond the arrays'. *The program*: from its start to its end (`irisnode encode`, "
             "`itkimage2segimage`), with the reading of the label file and of the series' headers, all of its "
             "memory. All files decode, through highdicom, to the label map, every voxel."]
    return {"figures": figures, "table": table(heading, rows), "notes": notes}


def described(count):
    """What dcmqi asks of each segment."""
    code = lambda value, meaning: {"CodeValue": value, "CodingSchemeDesignator": "SCT", "CodeMeaning": meaning}
    segment = lambda number: {
        "labelID": number,
        "SegmentLabel": f"segment {number}",
        "SegmentAlgorithmType": "AUTOMATIC",
        "SegmentAlgorithmName": "benchmark",
        "SegmentedPropertyCategoryCodeSequence": code("91723000", "Anatomical Structure"),
        "SegmentedPropertyTypeCodeSequence": code("78961009", "Spleen"),
        "recommendedDisplayRGBValue": [157, 108, 162],
    }
    return {
        "ContentCreatorName": "benchmark",
        "ContentLabel": "SEGMENTATION",
        "SeriesDescription": "benchmark",
        "SeriesNumber": "100",
        "InstanceNumber": "1",
        "segmentAttributes": [[segment(number) for number in range(1, count + 1)]],
    }


def run_in_turns(series, folder, count, rounds):
    """Seconds of each program from its start to its end, round by round, and the most MiB it had of memory."""
    files = outputs(folder)
    named = [f"{number}=segment {number}@78961009:SCT:Spleen" for number in range(1, count + 1)]
    ours = [ROOT / "target/release/irisnode", "encode", series, "--label", folder / "labels.nii", "--out", files[OURS],
            *(word for name in named for word in ("--segment", name))]
    theirs = [pathlib.Path(sys.executable).with_name("itkimage2segimage"), "--skip", "1",
              "--inputImageList", folder / "labels.nii", "--inputDICOMDirectory", series,
              "--inputMetadata", folder / "dcmqi.json", "--outputDICOM", files[PROGRAM]]

    def run(command):
        start = time.perf_counter()
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return time.perf_counter() - start

    # The first of each warms it, and is not timed.
    most = {OURS: peak_mib(ours), PROGRAM: peak_mib(theirs)}
    return interleave({OURS: lambda: run(ours), PROGRAM: lambda: run(theirs)}, rounds), most


def peak_mib(command):
    """The most memory that a program, or one that it starts (dcmqi's are started by a script), has while it runs, MiB: as
    Linux tells it every few milliseconds. (What wait4 says begins with what this process had when it forked.)"""
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0
    while program.poll() is None:
        most = max(most, *(memory_mib("VmHWM", pid) or 0 for pid in family(program.pid)))
        time.sleep(0.005)
    if program.returncode != 0:
        raise subprocess.CalledProcessError(program.returncode, command)
    return most


def family(pid):
    """A process and those that it started."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(one for child in children for one in family(child))]


def outputs(folder):
    return {name: folder / f"{name}.dcm" for name in (OURS, THEIRS, PROGRAM)}


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


def check_all(names, folder, labels):
    for name in names:
        check(name, outputs(folder)[name], labels)


def check(name, file, labels):
    """Every voxel of the file, at its height in the patient, is that of the label map."""
    volume = highdicom.seg.segread(file).get_volume(combine_segments=True)
    upward = volume.affine[2, 0] > 0
    found = volume.array if upward else volume.array[::-1]
    # A file spans the slices that have a frame; below and above them the label map must be empty.
    heights = np.flatnonzero(labels.any(axis=(1, 2)))
    if not np.array_equal(found, labels[heights[0]:heights[-1] + 1]):
        raise SystemExit(f"{name}'s file decodes to other voxels than the label map")
