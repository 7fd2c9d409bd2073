"""Reads DICOM-SEGs with pydicom, highdicom and dcmqi and compares each pixel's value with what was meant.

usage: read_with.py READER[,READER...] FOLDER...

Each FOLDER holds seg.dcm; expected.json: size, spacing, direction, origin of the grid, labels of the segments in order,
and their colours; and N.raw for the Nth segment: a byte a voxel, column index fastest: the fraction times 255 of a
FRACTIONAL, else 0 or 1. Values are compared in patient coordinates, by each reader's own geometry. Prints, as JSON, for
each folder and reader nothing where every value is at its place, else what is wrong.
"""

import gzip
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pydicom


class Object:
    """A file, and what it was meant to say."""

    def __init__(self, folder: Path):
        self.path = folder / "seg.dcm"
        expected = json.loads((folder / "expected.json").read_text())
        self.size = expected["size"]
        self.grid = np.eye(4)
        self.grid[:3, :3] = np.array(expected["direction"]).T * np.array(expected["spacing"])
        self.grid[:3, 3] = expected["origin"]
        self.colors = dict(zip(expected["labels"], expected["colors"], strict=True))
        meant = {
            label: np.fromfile(folder / f"{n}.raw", "u1").reshape(self.size[::-1])
            for n, label in enumerate(expected["labels"])
        }
        self.meant = {label: values for label, values in meant.items() if values.any()}
        header = pydicom.dcmread(self.path, stop_before_pixels=True)
        self.kind = header.SegmentationType
        self.items = header.SegmentSequence
        self.labels = {int(item.SegmentNumber): item.SegmentLabel for item in self.items}

    def check(self, found: dict) -> None:
        """Each reader's (affine of [i, j, k], values [k, j, i]) by label."""
        assert sorted(found) == sorted(self.meant), f"finds the segments {sorted(found)}"
        for label, (affine, values) in found.items():
            where = np.argwhere(values)[:, ::-1]
            at = np.linalg.solve(self.grid, affine @ np.c_[where, np.ones(len(where))].T)[:3].T
            off = np.abs((at - np.rint(at)) @ self.grid[:3, :3].T).max(initial=0)
            assert off < 1e-3, f"{label} lies {off:.3f} mm beside the grid"
            i, j, k = np.rint(at).astype(int).T
            laid = np.zeros(self.size[::-1])
            laid[k, j, i] = values[values != 0]
            wrong = np.count_nonzero(laid != self.meant[label])
            assert wrong == 0, f"{wrong} voxels of {label} are other ones"


def by_pydicom(of: Object) -> dict:
    """Frame by frame, placed by Image Position (Patient)."""
    data_set = pydicom.dcmread(of.path)
    pixels = data_set.pixel_array.reshape(-1, data_set.Rows, data_set.Columns)
    found = {label: np.zeros(of.size[::-1], "u1") for label in of.labels.values()}
    for frame, groups in zip(pixels, data_set.PerFrameFunctionalGroupsSequence, strict=True):
        at = np.linalg.solve(of.grid, [*map(float, groups.PlanePositionSequence[0].ImagePositionPatient), 1])[:3]
        assert np.abs(at - np.rint(at)).max() < 1e-4, at
        k = int(np.rint(at[2]))
        if of.kind == "LABELMAP":
            assert "SegmentIdentificationSequence" not in groups
            for number, label in of.labels.items():
                found[label][k] = frame == number
        else:
            number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            found[of.labels[number]][k] = frame
    return {label: (of.grid, values) for label, values in found.items()}


def by_highdicom(of: Object) -> dict:
    import highdicom
    from highdicom.color import CIELabColor

    for item in of.items:
        theirs = CIELabColor.from_rgb(*of.colors[item.SegmentLabel]).value
        # Theirs is cut to whole numbers, ours is rounded.
        apart = np.abs(np.subtract(theirs, item.RecommendedDisplayCIELabValue, dtype=int)).max()
        assert apart <= 1, f"the colour of {item.SegmentLabel} is {apart} off"
    seg = highdicom.seg.segread(of.path)
    found = {}
    # Asked for one label at a time, it looks for that of a label map in eight bits, where 300 is 44.
    together = seg.get_volume(combine_segments=True, dtype=np.uint16) if of.kind == "LABELMAP" else None
    for number, label in of.labels.items():
        if together is not None:
            found[label] = together.affine[:, [2, 1, 0, 3]], together.array == number
            continue
        volume = seg.get_volume(segment_numbers=[number])
        values = volume.array[..., 0].astype(float)
        found[label] = volume.affine[:, [2, 1, 0, 3]], np.rint(values * (255 if of.kind == "FRACTIONAL" else 1))
    return found


def by_dcmqi(of: Object) -> dict:
    program = Path(sys.executable).with_name("segimage2itkimage")
    found = {}
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            [program, "--inputDICOM", of.path, "--outputDirectory", out, "--prefix", "s", "-t", "nrrd"],
            capture_output=True,
            text=True,
        )
        said = [line for line in (done.stdout + done.stderr).splitlines() if "rror" in line]
        assert done.returncode == 0, said[0] if said else "fails"
        for number, label in of.labels.items():
            # A label map comes as one image of numbers.
            labelmap = of.kind == "LABELMAP"
            matrix, origin, values = read_nrrd(Path(out) / f"s-{1 if labelmap else number}.nrrd")
            values = (values == number) if labelmap else values
            affine = np.eye(4)
            affine[:3, :3], affine[:3, 3] = matrix, origin
            found[label] = affine, values if of.kind == "FRACTIONAL" else values > 0
    return found


def read_nrrd(path):
    """Matrix of axes, origin, voxels [k, j, i] of an NRRD file."""
    header, data = path.read_bytes().split(b"\n\n", 1)
    fields = dict(line.split(": ", 1) for line in header.decode().splitlines()[1:] if ": " in line)
    vector = lambda text: [float(x) for x in text.strip("()").split(",")]
    if fields["encoding"] in ("gzip", "gz"):
        data = gzip.decompress(data)
    kind = {"short": "<i2", "signed short": "<i2", "unsigned short": "<u2", "unsigned char": "u1", "uchar": "u1"}
    sizes = [int(n) for n in fields["sizes"].split()]
    assert fields["space"] == "left-posterior-superior", fields["space"]
    matrix = np.array([vector(v) for v in fields["space directions"].split()]).T
    array = np.frombuffer(data, kind[fields["type"]]).reshape(sizes[::-1])
    return matrix, np.array(vector(fields["space origin"])), array


READERS = {"pydicom": by_pydicom, "highdicom": by_highdicom, "dcmqi": by_dcmqi}


def verdict(reader: str, folder: str) -> str:
    try:
        of = Object(Path(folder))
        of.check(READERS[reader](of))
    except Exception as error:  # whatever a reader stumbles over is its verdict
        return str(error).splitlines()[0] or type(error).__name__
    return ""


warnings.simplefilter("ignore")
readers = sys.argv[1].split(",")
print(json.dumps({folder: {reader: verdict(reader, folder) for reader in readers} for folder in sys.argv[2:]}))
