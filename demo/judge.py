"""Holds a DICOM-SEG against known labels: Dice per segment, and a picture.

Reads the SEG with highdicom, so with other eyes than those that wrote it, and
compares in patient coordinates, voxel by voxel of the known labels' grid.
"""

import pathlib

import highdicom
import nibabel
import numpy as np
import pydicom
from PIL import Image, ImageDraw

# NIfTI coordinates point right, anterior, superior; DICOM's left, posterior, superior.
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
COLORS = [(230, 70, 70), (80, 200, 90), (80, 140, 255), (245, 200, 60), (200, 90, 230), (70, 210, 210)]
WINDOW = (-160.0, 240.0)  # HU, soft tissue


def sample(array, affine, grid_affine, shape, outside):
    """`array` with `affine` (indices to LPS mm), looked up at every voxel of another grid, nearest neighbour."""
    indices = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 3)
    to_array = np.linalg.inv(affine) @ grid_affine
    found = np.rint(indices @ to_array[:3, :3].T + to_array[:3, 3]).astype(int)
    inside = np.all((found >= 0) & (found < array.shape), axis=1)
    result = np.full(len(found), outside, array.dtype)
    result[inside] = array[tuple(found[inside].T)]
    return result.reshape(shape)


def read_series(folder):
    """HU and the affine of a stack of single-frame axial images."""
    images = [pydicom.dcmread(path) for path in pathlib.Path(folder).iterdir()]
    row, column = np.split(np.array(images[0].ImageOrientationPatient, float), 2)
    normal = np.cross(row, column)
    images.sort(key=lambda image: float(np.dot(normal, image.ImagePositionPatient)))
    first, last = (np.array(image.ImagePositionPatient, float) for image in (images[0], images[-1]))
    affine = np.eye(4)
    affine[:3, 0] = (last - first) / max(len(images) - 1, 1)
    affine[:3, 1] = column * float(images[0].PixelSpacing[0])
    affine[:3, 2] = row * float(images[0].PixelSpacing[1])
    affine[:3, 3] = first
    hu = [
        image.pixel_array * float(image.get("RescaleSlope", 1)) + float(image.get("RescaleIntercept", 0))
        for image in images
    ]
    return np.stack(hu).astype(np.float32), affine


def judge(seg_path, series, labels_path, values, picture):
    """`values`: segment label → value in the label map. Gives the lines of a table; writes the picture."""
    known_image = nibabel.as_closest_canonical(nibabel.load(labels_path))
    known = np.asarray(known_image.dataobj).astype(int)
    grid = RAS_TO_LPS @ known_image.affine

    seg = highdicom.seg.segread(seg_path)
    lines = [f"{'segment':20} {'Dice':>6} {'found':>10} {'known':>10}"]
    masks = []
    for number in seg.segment_numbers:
        label = seg.get_segment_description(number).segment_label
        if label not in values:
            continue
        volume = seg.get_volume(segment_numbers=[number], allow_missing_positions=True)
        mask = volume.array[..., 0] > 0
        mask = sample(mask, volume.affine, grid, known.shape, False)
        truth = known == values[label]
        total = mask.sum() + truth.sum()
        dice = 2.0 * (mask & truth).sum() / total if total else float("nan")
        voxel_ml = abs(np.linalg.det(grid[:3, :3])) / 1000
        lines.append(f"{label:20} {dice:6.3f} {mask.sum() * voxel_ml:7.0f} ml {truth.sum() * voxel_ml:7.0f} ml")
        masks.append((label, mask, truth))
    for label in values.keys() - {label for label, *_ in masks}:
        lines.append(f"{label:20} not in the SEG")

    hu, affine = read_series(series)
    draw(sample(hu, affine, grid, known.shape, np.float32(-1024)), masks, picture)
    return lines


def draw(hu, masks, picture, slices=4):
    """Two rows of axial slices: the segments found above, the known ones below. Patient's left is on the right."""
    seen = sum((mask.sum((0, 1)) + truth.sum((0, 1)) for _, mask, truth in masks), np.zeros(hu.shape[2]))
    order = np.flatnonzero(seen) if seen.any() else np.arange(hu.shape[2])
    chosen = order[np.linspace(0, len(order) - 1, slices + 2).astype(int)[1:-1]]
    rows = []
    for which in (0, 1):
        panels = []
        for z in chosen:
            gray = np.clip((hu[:, :, z] - WINDOW[0]) / (WINDOW[1] - WINDOW[0]), 0, 1) * 255
            panel = np.repeat(gray[:, :, None], 3, axis=2)
            for color, (_, *pair) in zip(COLORS, masks):
                here = pair[which][:, :, z]
                panel[here] = 0.55 * panel[here] + 0.45 * np.array(color)
            panel = Image.fromarray(panel[::-1, ::-1].transpose(1, 0, 2).astype(np.uint8))
            panels.append(panel.resize((360, 360 * panel.height // panel.width)))
        rows.append(panels)
    width, height = 360 * slices, rows[0][0].height
    sheet = Image.new("RGB", (width, 2 * height + 60), "black")
    pen = ImageDraw.Draw(sheet)
    for line, (panels, title) in enumerate(zip(rows, ("found by irisnode", "known labels"))):
        for column, panel in enumerate(panels):
            sheet.paste(panel, (360 * column, line * height))
        pen.text((8, line * height + 6), title, fill="white")
    for place, (color, (label, *_)) in enumerate(zip(COLORS, masks)):
        x = 12 + place * 170
        pen.rectangle((x, 2 * height + 20, x + 18, 2 * height + 38), fill=color)
        pen.text((x + 26, 2 * height + 22), label, fill="white")
    sheet.save(picture)
