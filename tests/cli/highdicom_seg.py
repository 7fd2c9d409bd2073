"""Writes a DICOM-SEG of one box with highdicom. usage: highdicom_seg.py SERIES SEG"""

import pathlib
import sys

import highdicom
import numpy as np
import pydicom
from pydicom.sr.codedict import codes

images = [pydicom.dcmread(path) for path in sorted(pathlib.Path(sys.argv[1]).iterdir())]
mask = np.zeros((len(images), images[0].Rows, images[0].Columns), np.uint8)
mask[8:12, 50:60, 40:60] = 1
description = highdicom.seg.SegmentDescription(
    segment_number=1,
    segment_label="A lesion",
    segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
    segmented_property_type=highdicom.sr.CodedConcept("108369006", "SCT", "Neoplasm"),
    algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
)
highdicom.seg.Segmentation(
    source_images=images,
    pixel_array=mask,
    segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
    segment_descriptions=[description],
    series_instance_uid=highdicom.UID(),
    series_number=9,
    sop_instance_uid=highdicom.UID(),
    instance_number=1,
    manufacturer="test",
    manufacturer_model_name="test",
    software_versions="1",
    device_serial_number="1",
).save_as(sys.argv[2])
