"""Draws series of three orientations, RTSTRUCTs on them, and the voxels that belong to each ROI.

usage: draw_rtstructs.py FOLDER

Makes FOLDER/{axial,sagittal,oblique}/{series/, rtstruct.dcm, sparse.dcm, expected.json}. The voxels are known without
any polygon being filled: a box is two inequalities, a convex polygon as many as it has sides, and a ring, a U or a
target is made of those.
"""

import json
import sys
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage
from pydicom.valuerep import format_number_as_ds

UID = "1.2.826.0.1.3680043.10.543.31"
COLUMNS, ROWS, SLICES = 40, 32, 6
# Between columns, between rows, between slices, mm.
SPACING = (0.9, 1.3, 2.5)
# Where each pixel's centre lies in its slice, mm from the first.
U, V = np.meshgrid(np.arange(COLUMNS) * SPACING[0], np.arange(ROWS) * SPACING[1])


def orientations():
    s, c = np.sin(0.4), np.cos(0.4)
    t, d = np.sin(-0.3), np.cos(-0.3)
    return {
        "axial": ([1, 0, 0], [0, 1, 0]),
        "sagittal": ([0, 1, 0], [0, 0, -1]),
        "oblique": ([c, s, 0], [-s * d, c * d, t]),
    }


def main():
    for at, (name, axes) in enumerate(orientations().items()):
        folder = Path(sys.argv[1]) / name
        (folder / "series").mkdir(parents=True, exist_ok=True)
        place = Place(axes, f"{UID}.{at}")
        for k in range(SLICES):
            place.image(k).save_as(folder / f"series/{k}.dcm", enforce_file_format=True)
        rois = drawn()
        place.rtstruct(rois).save_as(folder / "rtstruct.dcm", enforce_file_format=True)
        place.rtstruct(sparse()).save_as(folder / "sparse.dcm", enforce_file_format=True)
        expected = {roi["name"]: voxels(roi["mask"]) for roi in rois if "mask" in roi}
        expected |= {roi["name"]: voxels(roi["mask"]) for roi in sparse()}
        (folder / "expected.json").write_text(json.dumps(expected))


def voxels(mask):
    return np.flatnonzero(mask).tolist()


def box(u0, u1, v0, v1):
    """Contour and pixels of a box."""
    inside = (U >= u0) & (U <= u1) & (V >= v0) & (V <= v1)
    return [(u0, v0), (u1, v0), (u1, v1), (u0, v1)], inside


def convex(points):
    """Contour and pixels of a convex polygon, its points going round from +u to +v."""
    depth = np.full_like(U, np.inf)
    for (u0, v0), (u1, v1) in zip(points, points[1:] + points[:1]):
        side = (u1 - u0) * (V - v0) - (v1 - v0) * (U - u0)
        depth = np.minimum(depth, side / np.hypot(u1 - u0, v1 - v0))
    assert np.abs(depth).min() > 0.003, "a pixel is on the edge: which is it?"
    return points, depth > 0


def round_(sides, u, v, radius):
    turn = 2 * np.pi * np.arange(sides) / sides + 0.01
    return convex([(u + radius * np.cos(a), v + radius * np.sin(a)) for a in turn])


def roi(number, name, slices, kind="CLOSED_PLANAR", **more):
    """An ROI of `slices`: slice -> contours and pixels."""
    mask = np.zeros((SLICES, ROWS, COLUMNS), bool)
    for k, (_, inside) in slices.items():
        mask[k] = inside
    contours = [(k, contour) for k, (contours, _) in slices.items() for contour in contours]
    return {"number": number, "name": name, "contours": contours, "kind": kind, "mask": mask, **more}


def drawn():
    outer, in_outer = box(5.0, 20.3, 6.1, 25.2)
    inner, in_inner = box(9.2, 15.1, 10.2, 19.0)
    core, in_core = box(11.2, 12.9, 12.2, 16.0)
    ring = in_outer & ~in_inner
    # One line: to the channel, down it, round the inner box, up again, and home.
    (a, b, c, d), (e, f, g, h) = outer, inner
    channel = 12.3
    keyhole = [a, (channel, a[1]), (channel, e[1]), e, h, g, f, (channel, e[1]), (channel, a[1]), b, c, d]
    notch, in_notch = box(9.2, 15.1, 1.0, 19.0)
    u_shape = [a, (9.2, a[1]), (9.2, 19.0), (15.1, 19.0), (15.1, b[1]), b, c, d]
    left, in_left = box(2.0, 7.0, 3.0, 9.0)
    right, in_right = box(22.1, 30.0, 20.1, 33.0)
    centres, on_centres = box(4 * 0.9, 9 * 0.9, 3 * 1.3, 7 * 1.3)
    on_centres = np.zeros_like(in_left)
    on_centres[3:8, 4:10] = True
    dot = np.zeros_like(in_left)
    dot[10, 20] = True
    beyond, in_beyond = box(-30.0, 5.0, -30.0, 6.1)
    moving = {k: box(5.0 + 1.1 * k, 20.3 + 1.1 * k, 6.1 + 0.7 * k, 25.2) for k in range(1, 5)}
    disc, in_disc = round_(48, 18.03, 20.07, 9.41)
    fine, in_fine = round_(6000, 17.11, 19.43, 11.17)
    triangle, in_triangle = convex([(4.0, 5.0), (30.1, 12.3), (10.3, 36.2)])
    return [
        roi(1, "Liver", {k: ([contour], inside) for k, (contour, inside) in moving.items()}, color=[10, 200, 30]),
        roi(2, "Ring", {2: ([outer, inner], ring), 3: ([inner, outer], ring)}),
        roi(3, "Keyhole ring", {2: ([keyhole], ring)}),
        roi(4, "Islands", {0: ([left, right], in_left | in_right), 5: ([right], in_right)}),
        roi(5, "U", {1: ([u_shape], in_outer & ~in_notch)}),
        roi(6, "Disc", {3: ([disc], in_disc)}),
        roi(7, "Fine disc", {4: ([fine], in_fine)}),
        roi(8, "Triangle", {1: ([triangle], in_triangle), 2: ([triangle[::-1]], in_triangle)}),
        roi(9, "Target", {4: ([core, outer, inner], ring | in_core)}, kind="CLOSEDPLANAR_XOR"),
        roi(10, "Through centres", {0: ([centres], on_centres)}),
        roi(11, "Dot", {5: ([[(20 * 0.9, 10 * 1.3)]], dot)}),
        roi(12, "Beyond", {3: ([beyond], in_beyond)}),
        roi(13, "Twice", {3: ([outer, outer], in_outer)}),
        # Slices 3 and 4 of it are empty, and meant to be.
        roi(14, "Gap", {k: ([left], in_left) for k in (1, 2, 5)}),
        roi(15, "Lesion", {2: ([core], in_core)}, code=("108369006", "SCT", "Neoplasm")),
        {"number": 90, "name": "Isocentre", "kind": "POINT", "contours": [(0, [(3.0, 3.0)])]},
        {"number": 91, "name": "Needle", "kind": "OPEN_PLANAR", "contours": [(0, [(3.0, 3.0), (9.0, 9.0)])]},
        {"number": 92, "name": "Nothing", "kind": "CLOSED_PLANAR", "contours": []},
    ]


def sparse():
    """Drawn on every second slice: what is between takes the nearer contour, the earlier one in the middle."""
    boxes = {k: box(5.0 + k, 20.3 + k, 6.1, 25.2 - k) for k in (0, 2, 4)}
    every = roi(1, "Every second", {k: ([contour], inside) for k, (contour, inside) in boxes.items()})
    for k in (1, 3):
        every["mask"][k] = boxes[k - 1][1]
    two = roi(2, "Two of them", {k: ([contour], inside) for k, (contour, inside) in boxes.items() if k < 4})
    return [every, two]


class Place:
    """A stack of slices in the patient."""

    def __init__(self, axes, uid):
        self.row, self.column = np.array(axes, float)
        self.normal = np.cross(self.row, self.column)
        self.origin = np.array([-21.3, 44.7, 810.2])
        self.uid = uid

    def point(self, k, u, v):
        return self.origin + k * SPACING[2] * self.normal + u * self.row + v * self.column

    def common(self, sop_class, modality, instance):
        data_set = Dataset()
        data_set.file_meta = FileMetaDataset()
        data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data_set.SOPClassUID = sop_class
        data_set.SOPInstanceUID = f"{self.uid}.{instance}"
        data_set.StudyInstanceUID = f"{self.uid}.1"
        data_set.SeriesInstanceUID = f"{self.uid}.{2 if modality == 'CT' else 3}"
        data_set.Modality = modality
        data_set.PatientName = "Test^Nobody"
        data_set.PatientID = "TEST"
        return data_set

    def image(self, k):
        image = self.common(CTImageStorage, "CT", f"4.{k}")
        image.FrameOfReferenceUID = f"{self.uid}.9"
        image.ImagePositionPatient = numbers(self.point(k, 0, 0))
        image.ImageOrientationPatient = numbers([*self.row, *self.column])
        image.PixelSpacing = numbers([SPACING[1], SPACING[0]])
        image.SliceThickness = "2.5"
        image.InstanceNumber = k + 1
        image.Rows, image.Columns = ROWS, COLUMNS
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
        image.RescaleIntercept, image.RescaleSlope = "0", "1"
        image.PixelData = np.arange(ROWS * COLUMNS, dtype="<i2").tobytes()
        return image

    def rtstruct(self, rois):
        rtstruct = self.common(RTStructureSetStorage, "RTSTRUCT", 5)
        rtstruct.StructureSetLabel = "drawn"
        rtstruct.StructureSetROISequence = [self.listed(roi) for roi in rois]
        rtstruct.ROIContourSequence = [self.contours(roi) for roi in rois]
        rtstruct.RTROIObservationsSequence = [observed(roi) for roi in rois]
        return rtstruct

    def listed(self, roi):
        item = Dataset()
        item.ROINumber = roi["number"]
        item.ROIName = roi["name"]
        item.ReferencedFrameOfReferenceUID = f"{self.uid}.9"
        item.ROIGenerationAlgorithm = "MANUAL"
        return item

    def contours(self, roi):
        item = Dataset()
        item.ReferencedROINumber = roi["number"]
        if "color" in roi:
            item.ROIDisplayColor = roi["color"]
        item.ContourSequence = []
        for k, points in roi["contours"]:
            contour = Dataset()
            contour.ContourGeometricType = roi["kind"]
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = numbers(np.array([self.point(k, *point) for point in points]).ravel())
            item.ContourSequence.append(contour)
        return item


def observed(roi):
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = roi["number"]
    item.RTROIInterpretedType = "ORGAN"
    if "code" in roi:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = roi["code"]
        item.RTROIIdentificationCodeSequence = [code]
    return item


def numbers(values):
    return [format_number_as_ds(float(round(value, 6))) for value in values]


if __name__ == "__main__":
    main()
