"""Reads a DICOM-SEG of any kind with pydicom, highdicom and dcmqi and compares each pixel's value with what was meant.

usage: readers.py SEG FOLDER [READER...]

FOLDER holds expected.json (size, spacing, direction, origin of the grid; labels of the segments, in order) and N.raw
for the Nth segment: a byte a voxel, column index fastest: the fraction times 255 of a FRACTIONAL, else 0 or 1. Values
are compared in patient coordinates, by each reader's own geometry. Without READER all three read.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pydicom

sys.path.insert(0, str(Path(__file__).parents[1]))
from seg_readers import read_nrrd  # noqa: E402

path, folder = Path(sys.argv[1]), Path(sys.argv[2])
readers = sys.argv[3:] or ["pydicom", "highdicom", "dcmqi"]
expected = json.loads((folder / "expected.json").read_text())
size = expected["size"]
grid = np.eye(4)
grid[:3, :3] = np.array(expected["direction"]).T * np.array(expected["spacing"])
grid[:3, 3] = expected["origin"]
meant = {
    label: np.fromfile(folder / f"{n}.raw", "u1").reshape(size[::-1]) for n, label in enumerate(expected["labels"])
}
meant = {label: values for label, values in meant.items() if values.any()}
header = pydicom.dcmread(path, stop_before_pixels=True)
fractional = header.SegmentationType == "FRACTIONAL"
labels = {int(item.SegmentNumber): item.SegmentLabel for item in header.SegmentSequence}


def by_pydicom():
    """Frame by frame, placed by Image Position (Patient)."""
    data_set = pydicom.dcmread(path)
    pixels = data_set.pixel_array.reshape(-1, data_set.Rows, data_set.Columns)
    found = {label: np.zeros(size[::-1], "u1") for label in labels.values()}
    for frame, groups in zip(pixels, data_set.PerFrameFunctionalGroupsSequence, strict=True):
        at = np.linalg.solve(grid, [*map(float, groups.PlanePositionSequence[0].ImagePositionPatient), 1])[:3]
        assert np.abs(at - np.rint(at)).max() < 1e-4, at
        k = int(np.rint(at[2]))
        if data_set.SegmentationType == "LABELMAP":
            assert "SegmentIdentificationSequence" not in groups
            for number, label in labels.items():
                found[label][k] = frame == number
        else:
            number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            found[labels[number]][k] = frame
    return {label: (grid, values) for label, values in found.items()}


def by_highdicom():
    import highdicom

    seg = highdicom.seg.segread(path)
    found = {}
    for number, label in labels.items():
        volume = seg.get_volume(segment_numbers=[number])
        values = volume.array[..., 0].astype(float)
        found[label] = volume.affine[:, [2, 1, 0, 3]], np.rint(values * (255 if fractional else 1))
    return found


def by_dcmqi():
    program = Path(sys.executable).with_name("segimage2itkimage")
    found = {}
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            [program, "--inputDICOM", path, "--outputDirectory", out, "--prefix", "s", "-t", "nrrd"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for number, label in labels.items():
            # A label map comes as one image of numbers.
            labelmap = header.SegmentationType == "LABELMAP"
            matrix, origin, values = read_nrrd(Path(out) / f"s-{1 if labelmap else number}.nrrd")
            values = (values == number) if labelmap else values
            affine = np.eye(4)
            affine[:3, :3], affine[:3, 3] = matrix, origin
            found[label] = affine, values if fractional else values > 0
    return found


for reader in readers:
    found = {"pydicom": by_pydicom, "highdicom": by_highdicom, "dcmqi": by_dcmqi}[reader]()
    assert sorted(found) == sorted(meant), (reader, sorted(found), sorted(meant))
    for label, (affine, values) in found.items():
        where = np.argwhere(values)[:, ::-1]
        at = np.linalg.solve(grid, affine @ np.c_[where, np.ones(len(where))].T)[:3].T
        off = np.abs(at - np.rint(at)).max()
        assert off < 1e-3, (reader, label, off)
        i, j, k = np.rint(at).astype(int).T
        laid = np.zeros(size[::-1])
        laid[k, j, i] = values[values != 0]
        wrong = np.argwhere(laid != meant[label])
        assert len(wrong) == 0, (reader, label, len(wrong), laid[tuple(wrong[0])], meant[label][tuple(wrong[0])])
print("read by", ", ".join(readers))
