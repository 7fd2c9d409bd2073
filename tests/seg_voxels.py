"""Prints the grid that the frames of a DICOM-SEG span and the voxels of each segment on it (column index fastest), as
pydicom has them.

usage: seg_voxels.py SEG
"""

import json
import sys
from pathlib import Path

import numpy as np
import pydicom


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


print(json.dumps(described(Path(sys.argv[1]))))
