"""Reads a DICOM-SEG with highdicom and with dcmqi and compares every voxel with what was meant.

usage: seg_readers.py SEG FOLDER
       seg_readers.py SEG

FOLDER holds expected.json (size, spacing, direction, origin of the grid; number of each segment by label) and
layers.raw (unsigned 16-bit label numbers, column index fastest). Voxels are compared in patient coordinates:
each voxel that a reader finds set is carried by that reader's own geometry into the patient, and from there onto
the expected grid. Exit status 0 when both readers agree with what was meant.

Without FOLDER, prints the grid that the frames of a SEG span and the voxels of each segment on it (column index
fastest), as pydicom has them.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pydicom


def main():
    if len(sys.argv) == 2:
        print(json.dumps(described(Path(sys.argv[1]))))
        return
    seg, folder = Path(sys.argv[1]), Path(sys.argv[2])
    expected = json.loads((folder / "expected.json").read_text())
    grid = Grid(expected)
    layers = np.fromfile(folder / "layers.raw", "<u2").reshape(-1, *grid.size[::-1])
    wanted = {
        label: voxels(np.any(layers == number, axis=0))
        for label, number in expected["segments"].items()
        if np.any(layers == number)
    }
    assert_colors(seg, expected["colors"])
    for reader in (by_highdicom, by_dcmqi):
        found = reader(seg, grid)
        assert sorted(found) == sorted(wanted), (reader.__name__, sorted(found), sorted(wanted))
        for label, where in wanted.items():
            assert found[label] == where, (
                f"{reader.__name__}: {label} has {len(found[label])} voxels, {len(where)} are meant, "
                f"{len(found[label] & where)} of them agree"
            )


def assert_colors(path, colors):
    """The CIELab values are those that highdicom would write."""
    from highdicom.color import CIELabColor

    for item in pydicom.dcmread(path, stop_before_pixels=True).SegmentSequence:
        theirs = CIELabColor.from_rgb(*colors[item.SegmentLabel]).value
        ours = item.RecommendedDisplayCIELabValue
        # Theirs is cut to whole numbers, ours is rounded.
        assert np.abs(np.subtract(theirs, ours, dtype=int)).max() <= 1, (item.SegmentLabel, ours, theirs)


def described(path):
    """Grid and voxels of a SEG, read with nothing but pydicom and numpy."""
    data_set = pydicom.dcmread(path)
    pixels = data_set.pixel_array.reshape(-1, data_set.Rows, data_set.Columns)
    shared = data_set.SharedFunctionalGroupsSequence[0]
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    measures = shared.PixelMeasuresSequence[0]
    normal = np.cross(*cosines)
    frames = data_set.PerFrameFunctionalGroupsSequence
    positions = np.array([f.PlanePositionSequence[0].ImagePositionPatient for f in frames], float)
    heights = positions @ normal
    between = float(measures.get("SpacingBetweenSlices", measures.get("SliceThickness", 1)))
    found = {int(item.SegmentNumber): set() for item in data_set.SegmentSequence}
    for frame, groups, height in zip(pixels, frames, heights):
        first = int(round((height - heights.min()) / between)) * frame.size
        if data_set.SegmentationType == "LABELMAP":
            for number in set(np.unique(frame).tolist()) - {0}:
                found[number].update((first + np.flatnonzero(frame == number)).tolist())
        else:
            number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            least = data_set.get("MaximumFractionalValue", 1) / 2
            found[number].update((first + np.flatnonzero(frame >= least)).tolist())
    return {
        "size": [data_set.Columns, data_set.Rows, int(round(np.ptp(heights) / between)) + 1],
        "spacing": [float(measures.PixelSpacing[1]), float(measures.PixelSpacing[0]), between],
        "direction": [*cosines.tolist(), normal.tolist()],
        "origin": positions[np.argmin(heights)].tolist(),
        "voxels": {number: sorted(where) for number, where in found.items()},
    }


class Grid:
    """The grid as it was meant, in patient coordinates (LPS, mm)."""

    def __init__(self, expected):
        self.size = expected["size"]
        self.matrix = np.array(expected["direction"]).T * np.array(expected["spacing"])
        self.origin = np.array(expected["origin"])

    def indices(self, points):
        """Voxels (i, j, k) at patient positions [N, 3]; every one must lie on a voxel's centre."""
        at = np.linalg.solve(self.matrix, (points - self.origin).T).T
        whole = np.rint(at)
        off = np.abs((at - whole) @ self.matrix.T).max(initial=0)
        assert off < 0.01, f"voxels lie up to {off:.3f} mm beside the grid"
        return set(map(tuple, whole.astype(int).tolist()))


def voxels(mask):
    """Voxels (i, j, k) of a mask [k, j, i]."""
    return set(map(tuple, np.argwhere(mask)[:, ::-1].tolist()))


def by_highdicom(path, grid):
    import highdicom

    seg = highdicom.seg.segread(path)
    found = {}
    for number in seg.segment_numbers:
        volume = seg.get_volume(segment_numbers=[number])
        mask = volume.array[..., 0] > 0
        indices = np.argwhere(mask)
        points = indices @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        found[seg.get_segment_description(number).segment_label] = grid.indices(points)
    return found


def by_dcmqi(path, grid):
    """segimage2itkimage writes one NRRD for each segment, in LPS."""
    program = Path(sys.executable).with_name("segimage2itkimage")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [program, "--inputDICOM", path, "--outputDirectory", folder, "--prefix", "s", "-t", "nrrd"],
            check=True,
            capture_output=True,
        )
        data_set = pydicom.dcmread(path, stop_before_pixels=True)
        for item in data_set.SegmentSequence:
            matrix, origin, array = read_nrrd(Path(folder) / f"s-{item.SegmentNumber}.nrrd")
            points = np.argwhere(array > 0)[:, ::-1] @ matrix.T + origin
            found[item.SegmentLabel] = grid.indices(points)
    return found


def read_nrrd(path):
    """Matrix of axes, origin, voxels [k, j, i] of an NRRD file."""
    import gzip

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


if __name__ == "__main__":
    main()
