"""Writes DICOM-SEGs of every kind with highdicom, and the voxels that belong to each segment.

usage: write_segs.py SERIES FOLDER

Makes FOLDER/NAME.dcm and FOLDER/expected.json: NAME -> segment number -> voxels, column index fastest.
"""

import json
import sys
import zlib
from pathlib import Path

import highdicom
import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.sr.codedict import codes
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    UID_dictionary,
)

# 2024's Deflated Image Frame Compression (PS3.5 A.4.13).
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
UID_dictionary[DEFLATED_FRAMES] = ("Deflated Image Frame Compression", "Transfer Syntax", "", "", "")
images = [pydicom.dcmread(path) for path in sorted(Path(sys.argv[1]).iterdir())]
images.sort(key=lambda image: float(image.ImagePositionPatient[2]))
shape = (len(images), images[0].Rows, images[0].Columns)
folder = Path(sys.argv[2])
expected = {}


def segment(number):
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"Segment {number}",
        segmented_property_category=codes.SCT.Organ,
        segmented_property_type=codes.SCT.Liver,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
    )


def write(name, kind, pixels, numbers, masks, sources=images, syntax=ExplicitVRLittleEndian, **more):
    """`masks`: number -> mask [k, j, i] of the whole series."""
    seg = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=[segment(number) for number in numbers],
        series_instance_uid=highdicom.UID(),
        series_number=9,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
        transfer_syntax_uid=syntax,
        **more,
    )
    seg.save_as(folder / f"{name}.dcm")
    expected[name] = {str(number): np.flatnonzero(masks[number]).tolist() for number in numbers}


rng = np.random.default_rng(4)
one = np.zeros(shape, bool)
one[5:9, 20:40, 30:45] = rng.random((4, 20, 15)) < 0.6
two = np.zeros(shape, bool)
two[8:12, 30:50, 35:50] = True
# Segment 3 has a frame on slices far from each other, and none between.
three = np.zeros(shape, bool)
three[[2, 15], 10:13, 10:17] = True
nothing = np.zeros(shape, bool)
masks = {1: one, 2: two, 3: three, 4: nothing}
overlapping = np.stack([one, two, three, nothing], axis=-1).astype(np.uint8)
for name, more in {
    "binary": {},
    "binary-every-frame": {"omit_empty_frames": False},
}.items():
    write(name, "BINARY", overlapping, [1, 2, 3, 4], masks, **more)
part = {number: mask.copy() for number, mask in masks.items()}
for mask in part.values():
    mask[:6] = mask[14:] = False
write("binary-part-of-the-slices", "BINARY", overlapping[6:14], [1, 2, 3, 4], part, sources=images[6:14])

probability = rng.random(shape, np.float32) * one
fraction = {1: np.rint(probability * 255) >= 127.5}
for name, syntax in {
    "probability": ExplicitVRLittleEndian,
    "probability-rle": RLELossless,
    "probability-jpeg-2000": JPEG2000Lossless,
}.items():
    write(name, "FRACTIONAL", probability, [1], fraction, syntax=syntax)
occupancy = {1: np.rint(probability * 200) >= 100}
write("occupancy-of-200", "FRACTIONAL", probability, [1], occupancy, fractional_type="OCCUPANCY", max_fractional_value=200)

# As dcmjs (OHIF) writes a compressed one: bits that are called fractions of 255.
seg = pydicom.dcmread(folder / "probability.dcm")
seg.PixelData = (seg.pixel_array >= 128).astype(np.uint8).tobytes()
seg.compress(RLELossless, generate_instance_uid=False)
seg.save_as(folder / "fraction-of-ones.dcm")
expected["fraction-of-ones"] = expected["probability"]

few = np.where(two, 2, np.where(one, 7, 0)).astype(np.uint8)
few_masks = {number: few == number for number in (2, 7)}
many = np.where(two, 2, np.where(one, 300, 0)).astype(np.uint16)
many[3] = np.arange(shape[1] * shape[2]).reshape(shape[1:]) % 301
many_numbers = list(range(1, 301))
many_masks = {number: many == number for number in many_numbers}
for name, syntax in {
    "labelmap": ExplicitVRLittleEndian,
    "labelmap-rle": RLELossless,
    "labelmap-jpeg-ls": JPEGLSLossless,
}.items():
    write(name, "LABELMAP", few, [2, 7], few_masks, syntax=syntax)
write("labelmap-16", "LABELMAP", many, many_numbers, many_masks)
write("labelmap-16-rle", "LABELMAP", many, many_numbers, many_masks, syntax=RLELossless)
palette = highdicom.PaletteColorLUTTransformation.from_colors(["black"] + ["red", "green", "blue"] * 3)
write("labelmap-palette", "LABELMAP", few, [2, 7], few_masks, palette_color_lut_transformation=palette)

# Background under another number, and padding that is not 0.
seg = pydicom.dcmread(folder / "labelmap.dcm")
seg.PixelPaddingValue = 9
seg.SegmentSequence[0].SegmentNumber = 5
pixels = seg.pixel_array.copy()
pixels[pixels == 0] = 5
pixels[:, :3] = 9
seg.PixelData = pixels.tobytes()
seg.save_as(folder / "labelmap-background.dcm")
expected["labelmap-background"] = expected["labelmap"]

seg = pydicom.dcmread(folder / "binary.dcm")
seg.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
seg.save_as(folder / "binary-deflated.dcm")
expected["binary-deflated"] = expected["binary"]


def deflated(data):
    packer = zlib.compressobj(wbits=-15)
    data = packer.compress(data) + packer.flush()
    return data + b"\0" * (len(data) % 2)


# No writer has them yet. Frames of a size that fills no byte.
for name in ("binary", "labelmap"):
    seg = pydicom.dcmread(folder / f"{name}.dcm")
    pixels = seg.pixel_array
    if name == "binary":
        seg.Rows, seg.Columns = seg.Rows - 1, seg.Columns - 1
        frames = [np.packbits(frame[:-1, :-1].ravel(), bitorder="little") for frame in pixels]
        assert seg.Rows * seg.Columns % 8
    else:
        frames = list(pixels)
    seg.PixelData = encapsulate([deflated(frame.tobytes()) for frame in frames])
    seg["PixelData"].VR = "OB"
    seg.file_meta.TransferSyntaxUID = DEFLATED_FRAMES
    seg.save_as(folder / f"{name}-deflated-frames.dcm")
    expected[f"{name}-deflated-frames"] = expected[name]

(folder / "expected.json").write_text(json.dumps(expected))
