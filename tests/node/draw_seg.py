"""Writes, with highdicom, a DICOM-SEG of a structure of the drawn subject on slices of its series.

usage: draw_seg.py SERIES SEG LABEL VALUE CODE MEANING [AWAY_MM]

SERIES is a folder of slices of dicom-fixtures/query/series, VALUE what dicom-fixtures/query/labels.nii.gz has for the
structure. With AWAY_MM every frame lies that far from where it belongs.
"""

import pathlib
import sys

import highdicom
import nibabel
import numpy as np
import pydicom

series, out, label, value, code, meaning, *away = sys.argv[1:]
known = nibabel.load(pathlib.Path(__file__).parents[2] / "dicom-fixtures/query/labels.nii.gz")
labels = np.asarray(known.dataobj)
images = [pydicom.dcmread(path) for path in sorted(pathlib.Path(series).glob("*.dcm"))]

mask = np.zeros((len(images), images[0].Rows, images[0].Columns), np.uint8)
rows, columns = np.mgrid[: images[0].Rows, : images[0].Columns]
for frame, image in zip(mask, images):
    across, down = np.reshape(image.ImageOrientationPatient, (2, 3)).astype(float)
    between_rows, between_columns = map(float, image.PixelSpacing)
    lps = (
        np.array(image.ImagePositionPatient, float)
        + columns[..., None] * between_columns * across
        + rows[..., None] * between_rows * down
    )
    ras = lps * [-1, -1, 1]
    at = np.rint(nibabel.affines.apply_affine(np.linalg.inv(known.affine), ras)).astype(int)
    frame[:] = labels[at[..., 0], at[..., 1], at[..., 2]] == int(value)
assert mask.any()

seg = highdicom.seg.Segmentation(
    source_images=images,
    pixel_array=mask,
    segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
    segment_descriptions=[
        highdicom.seg.SegmentDescription(
            segment_number=1,
            segment_label=label,
            segmented_property_category=highdicom.sr.CodedConcept("91723000", "SCT", "Anatomical Structure"),
            segmented_property_type=highdicom.sr.CodedConcept(code, "SCT", meaning),
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
    ],
    series_instance_uid=highdicom.UID(),
    series_number=9,
    sop_instance_uid=highdicom.UID(),
    instance_number=1,
    manufacturer="test",
    manufacturer_model_name="test",
    software_versions="1",
    device_serial_number="1",
)
if away:
    for frame in seg.PerFrameFunctionalGroupsSequence:
        position = frame.PlanePositionSequence[0]
        x, y, z = position.ImagePositionPatient
        position.ImagePositionPatient = [x + float(away[0]), y, z]
seg.save_as(out)
print(int(mask.sum()))
