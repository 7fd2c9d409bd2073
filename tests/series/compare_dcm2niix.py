"""Compares volumes that irisnode read with what dcm2niix makes of the same series.

usage: compare_dcm2niix.py OURS DICOM|NIFTI

Where the second is no folder but a NIfTI file, it is what dcm2niix has made of the series elsewhere; of Philips' it took
the private scaling then, so that the values are compared up to one factor.

OURS.json holds the volumes that were read (size; spacing, direction and origin in LPS, mm; the factor that takes
their values back to the scanner's units) and OURS.N.raw the voxels (float32, column index fastest). Prints one line
of JSON: for each volume the largest distance of a voxel from dcm2niix's, mm, and the largest difference of a value
as a share of the largest value. Exit status 1 when dcm2niix makes no volume of that grid.
"""

import json
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import nibabel
import numpy as np
import pydicom

ours, dicom = Path(sys.argv[1]), Path(sys.argv[2])


def volumes_of(path):
    """The volumes of a NIfTI file: name, affine in LPS, voxels [i, j, k]."""
    image = nibabel.load(path)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    voxels = np.asarray(image.dataobj, dtype=float)
    parts = [voxels] if voxels.ndim == 3 else [voxels[..., at] for at in range(voxels.shape[3])]
    return [(path.name, affine, part) for part in parts]


def converted(folder):
    """Volumes of dcm2niix: name, affine in LPS, voxels [i, j, k]."""
    if dicom.is_file():
        return volumes_of(dicom)
    program = Path(sys.executable).with_name("dcm2niix")
    options = ["-z", "n", "-b", "n", "-f", "%s_%e", "-o", folder]
    first = pydicom.dcmread(min(dicom.iterdir()), stop_before_pixels=True, force=True)
    if "philips" in first.get("Manufacturer", "").lower():
        # Values by Rescale Slope and Intercept, not by the private ones of Philips.
        options += ["-p", "n"]
    done = subprocess.run([program, *options, dicom], capture_output=True, text=True)
    found = []
    for path in sorted(Path(folder).glob("*.nii")):
        found += volumes_of(path)
    if not found:
        sys.exit(f"dcm2niix made nothing: {done.stdout}{done.stderr}")
    return found


def differences(affine, voxels, theirs, values):
    """Distance of voxels, mm, and of values, once both grids are laid over one another; None for another grid."""
    to_theirs = np.linalg.solve(theirs, affine)
    turn = np.rint(to_theirs[:3, :3])
    if any(sorted(np.abs(turn).sum(axis=axis)) != [1, 1, 1] for axis in (0, 1)):
        return None
    whole = np.eye(4)
    whole[:3] = np.rint(to_theirs[:3])
    corners = np.array([[*c, 1] for c in product(*[(0, n - 1) for n in values.shape])], float).T
    apart = np.linalg.norm((affine @ corners - theirs @ whole @ corners)[:3], axis=0).max()
    # Our axes in the order of theirs, turned over where they run the other way.
    axes = [int(np.argmax(np.abs(turn[axis]))) for axis in range(3)]
    turned = np.transpose(values, axes)[tuple(slice(None, None, int(turn[axis, axes[axis]])) for axis in range(3))]
    inside = whole @ corners
    if turned.shape != voxels.shape or inside[:3].min() != 0:
        return None
    if dicom.is_file():
        turned = turned * ((turned * voxels).sum() / (turned * turned).sum())
    return apart, np.abs(turned - voxels).max() / max(np.abs(voxels).max(), 1e-9)


def upright(affine, voxels, theirs, values):
    """The same for the leaning stack of a tilted gantry, which dcm2niix shears along the columns, interpolating
    linearly between two voxels of one slice; None where its voxels do not lie on our slices and columns."""
    index = np.stack(np.meshgrid(*map(np.arange, voxels.shape), indexing="ij"), -1).reshape(-1, 3)
    at = np.linalg.solve(affine, theirs @ np.c_[index, np.ones(len(index))].T)[:3].T
    i, k = (np.rint(at[:, axis]).astype(int) for axis in (0, 2))
    off = np.abs(np.stack([at[:, 0] - i, at[:, 2] - k], 1)) @ np.linalg.norm(affine[:3, [0, 2]], axis=0)
    if off.max() > 0.1:
        return None
    low = np.floor(at[:, 1] + 1e-9).astype(int)
    share = at[:, 1] - low
    inside = (low >= 0) & (low + 1 < values.shape[1]) & (k >= 0) & (k < values.shape[2])
    assert inside.mean() > 0.5, "the sheared stack lies elsewhere"
    i, k, low, share = i[inside], k[inside], low[inside], share[inside]
    between = values[i, low, k] * (1 - share) + values[i, low + 1, k] * share
    return off.max(), np.abs(between - voxels.reshape(-1)[inside]).max() / np.abs(voxels).max()


with tempfile.TemporaryDirectory() as folder:
    theirs = converted(folder)
    verdicts = []
    for number, grid in enumerate(json.loads(ours.with_suffix(".json").read_text())):
        affine = np.eye(4)
        affine[:3, :3] = np.array(grid["direction"]).T * np.array(grid["spacing"])
        affine[:3, 3] = grid["origin"]
        voxels = np.fromfile(f"{ours}.{number}.raw", "<f4").reshape(grid["size"][::-1]).T * grid["factor"]
        leaning = abs(np.dot(np.cross(*grid["direction"][:2]), grid["direction"][2])) < 1 - 1e-6
        compare = upright if leaning else differences
        found = [(*d, name) for name, a, v in theirs if (d := compare(affine, v, a, voxels))]
        if not found:
            sys.exit(f"volume {number + 1}: dcm2niix has no volume of its grid, only {[(n, v.shape, a.tolist()) for n, a, v in theirs]}")
        apart, values, name = min(found, key=lambda f: (f[1], f[0]))
        verdicts.append({"mm": apart, "values": values, "file": name})
    print(json.dumps(verdicts))
