"""Draws DICOM series of every sort the node must read, each voxel a random number.

usage: draw_series.py FOLDER

FOLDER/NAME/*.dcm is one series. FOLDER/NAME.json says what it is: the affine of each volume (LPS, mm; columns, rows,
slices in the order they were drawn) and its voxels in FOLDER/NAME.VOLUME.raw (float32, column index fastest).
"""

import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
from highdicom.legacy import LegacyConvertedEnhancedPETImage
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    RLELossless,
)

out = Path(sys.argv[1])
random = np.random.default_rng(4)
ROOT = "1.2.826.0.1.3680043.10.543.91"
CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage}
ENHANCED = {"CT": EnhancedCTImageStorage, "MR": EnhancedMRImageStorage, "PT": EnhancedPETImageStorage}
SIZE = (20, 16, 7)
series_number = 0


def unit(v):
    return np.array(v, float) / np.linalg.norm(v)


AXIAL = (unit([1, 0, 0]), unit([0, 1, 0]))
SAGITTAL = (unit([0, 1, 0]), unit([0, 0, -1]))
CORONAL = (unit([1, 0, 0]), unit([0, 0, -1]))
_row = unit([0.8, 0.55, -0.2])
OBLIQUE = (_row, unit(np.cross(unit([0.1, -0.3, 0.95]), _row)))


class Volume:
    """A stack with random stored values."""

    def __init__(self, axes=AXIAL, spacing=(0.8, 1.25), step=3.0, lean=(0, 0), size=SIZE, low=0, high=4000, origin=(-20.5, -31.25, 17.75), down=False):
        self.row, self.column = axes
        normal = np.cross(self.row, self.column)
        way = normal + lean[0] * self.row + lean[1] * self.column
        # What a file's sixteen characters hold, so that nothing is rounded on the way.
        self.positions = [np.round(np.array(origin) + k * step * way * (-1 if down else 1), 6) for k in range(size[2])]
        self.row, self.column = np.round(self.row, 9), np.round(self.column, 9)
        self.spacing, self.size, self.step = spacing, size, step
        self.stored = random.integers(low, high, size=size[::-1])

    def affine(self):
        first, last = self.positions[0], self.positions[-1]
        way = (last - first) / (len(self.positions) - 1)
        matrix = np.eye(4)
        matrix[:3] = np.stack([self.row * self.spacing[0], self.column * self.spacing[1], way, first], axis=1)
        return matrix


def save(data_set, path, syntax=ExplicitVRLittleEndian):
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = syntax
    data_set.file_meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    data_set.save_as(path, enforce_file_format=True)


def general(modality, number):
    """What every instance of a series has."""
    d = Dataset()
    d.SpecificCharacterSet = "ISO_IR 192"
    d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"] if modality == "CT" else ["ORIGINAL", "PRIMARY", "M", "ND"]
    d.StudyDate = d.SeriesDate = d.AcquisitionDate = d.ContentDate = "20260102"
    d.StudyTime = d.SeriesTime = d.AcquisitionTime = d.ContentTime = "101500"
    d.AccessionNumber, d.Modality, d.Manufacturer = "", modality, "irisnode"
    d.ReferringPhysicianName, d.SeriesDescription = "", f"drawn {number}"
    d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = "DRAWN", "DRAWN", "", "O"
    d.PatientPosition, d.StudyID = "HFS", "1"
    d.StudyInstanceUID, d.SeriesInstanceUID = f"{ROOT}.1", f"{ROOT}.2.{number}"
    d.FrameOfReferenceUID, d.PositionReferenceIndicator = f"{ROOT}.3", ""
    d.SeriesNumber, d.AcquisitionNumber = number, 1
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    return d


def pixels(d, stored, bits, signed):
    """Image Pixel module of some stored values [..., rows, columns]."""
    d.Rows, d.Columns = stored.shape[-2:]
    d.BitsAllocated = 8 if bits <= 8 else 16
    d.BitsStored, d.HighBit, d.PixelRepresentation = bits, bits - 1, int(signed)
    mask = (1 << bits) - 1
    d.PixelData = (stored & mask).astype("u1" if bits <= 8 else "<u2").tobytes()
    d["PixelData"].VR = "OB" if bits <= 8 else "OW"


def number(value):
    """A decimal string of at most 16 characters."""
    return f"{value:.10g}"


def known(name, volumes, values):
    (out / f"{name}.json").write_text(json.dumps([v.affine().tolist() for v in volumes]))
    for at, value in enumerate(values):
        value.astype("<f4").tofile(out / f"{name}.{at}.raw")


def classic(name, volumes, modality="CT", slope=lambda k: 1.0, intercept=-1024.0, bits=12, signed=False, tell=lambda d, v, k: None, value=None, syntax=ExplicitVRLittleEndian, change=lambda d, k: None):
    """One file a slice, in an order and under names that say nothing. `tell` puts what tells volumes apart."""
    global series_number
    series_number += 1
    files = []
    for v, volume in enumerate(volumes):
        for k, position in enumerate(volume.positions):
            d = general(modality, series_number)
            d.SOPClassUID, d.SOPInstanceUID = CLASSES[modality], f"{ROOT}.4.{series_number}.{v}.{k}"
            d.ImagePositionPatient = [number(x) for x in position]
            d.ImageOrientationPatient = [number(x) for x in (*volume.row, *volume.column)]
            d.PixelSpacing = [number(volume.spacing[1]), number(volume.spacing[0])]
            d.SliceThickness = number(volume.step)
            d.InstanceNumber = len(files) + 1
            if modality != "MR":
                d.RescaleSlope, d.RescaleIntercept = number(slope(k)), number(intercept)
            if modality == "CT":
                d.RescaleType, d.KVP = "HU", "120"
            pixels(d, volume.stored[k], bits, signed)
            tell(d, v, k)
            change(d, k)
            files.append(d)
    for at, d in zip(random.permutation(len(files)), files):
        save(d, out / name / f"{at:03}.dcm", syntax)
    if modality == "MR":
        slope, intercept = (lambda k: 1.0), 0.0
    value = value or (lambda stored: np.stack([s * slope(k) + intercept for k, s in enumerate(stored)]))
    known(name, volumes, [value(v.stored) for v in volumes])


def item(**attributes):
    d = Dataset()
    for keyword, value in attributes.items():
        setattr(d, keyword, value)
    return d


def enhanced(name, volumes, modality, slope=lambda k: 1.0, intercept=0.0, bits=12, frame_type="M", tell=lambda v: {}, dimension=None, change=lambda d: None):
    """All slices of all volumes as frames of one instance, in an order that says nothing."""
    global series_number
    series_number += 1
    d = general(modality, series_number)
    d.SOPClassUID, d.SOPInstanceUID, d.InstanceNumber = ENHANCED[modality], f"{ROOT}.4.{series_number}.1", 1
    d.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    frames = [(v, k) for v in range(len(volumes)) for k in range(len(volumes[v].positions))]
    frames = [frames[at] for at in random.permutation(len(frames))]
    groups = []
    for v, k in frames:
        volume = volumes[v]
        index = [1, k + 1] if dimension is None else [1, k + 1, v + 1]
        group = item(
            FrameContentSequence=Sequence([item(StackID="1", InStackPositionNumber=k + 1, DimensionIndexValues=index, FrameAcquisitionNumber=1)]),
            PlanePositionSequence=Sequence([item(ImagePositionPatient=[number(x) for x in volume.positions[k]])]),
            PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=[number(x) for x in (*volume.row, *volume.column)])]),
            PixelValueTransformationSequence=Sequence([item(RescaleIntercept=number(intercept), RescaleSlope=number(slope(k)), RescaleType="HU" if modality == "CT" else "US")]),
        )
        for keyword, value in tell(v).items():
            setattr(group, keyword, value)
        groups.append(group)
    first = volumes[0]
    d.SharedFunctionalGroupsSequence = Sequence(
        [
            item(
                PixelMeasuresSequence=Sequence([item(PixelSpacing=[number(first.spacing[1]), number(first.spacing[0])], SliceThickness=number(first.step), SpacingBetweenSlices=number(first.step))]),
            )
        ]
    )
    d.PerFrameFunctionalGroupsSequence = Sequence(groups)
    pointers = [(0x00209056, 0x00209111), (0x00209057, 0x00209111)]
    if dimension is not None:
        pointers.append(dimension)
    d.DimensionOrganizationSequence = Sequence([item(DimensionOrganizationUID=f"{ROOT}.5.{series_number}")])
    d.DimensionIndexSequence = Sequence(
        [item(DimensionOrganizationUID=f"{ROOT}.5.{series_number}", DimensionIndexPointer=pointer, FunctionalGroupPointer=group) for pointer, group in pointers]
    )
    d.NumberOfFrames = len(frames)
    pixels(d, np.stack([volumes[v].stored[k] for v, k in frames]), bits, False)
    change(d)
    save(d, out / name / "all.dcm")
    known(name, volumes, [np.stack([s * slope(k) + intercept for k, s in enumerate(v.stored)]) for v in volumes])


def in_high_bits(d, k):
    """Values in the upper twelve bits of each cell, and something else below."""
    cells = np.frombuffer(d.PixelData, "<u2")
    d.HighBit = 15
    d.PixelData = ((cells << 4) | (k & 15)).astype("<u2").tobytes()


def run_lengths(d):
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.compress(RLELossless, generate_instance_uid=False)


def pet(d, v, k):
    d.Units, d.DecayCorrection, d.CorrectedImage = "BQML", "START", ["DECY", "ATTN", "SCAT"]
    d.PatientWeight = "70"
    d.SeriesTime, d.AcquisitionTime = "101500", f"10{15 + k:02}00"
    d.RadiopharmaceuticalInformationSequence = Sequence(
        [item(RadiopharmaceuticalStartTime="091500.00", RadionuclideTotalDose="3.5e8", RadionuclideHalfLife="6586.2")]
    )


def tracer(d, unit, slope):
    """What an Enhanced PET image says of its units: injected at half past eleven at night, scanned an hour later."""
    d.CountsSource, d.DecayCorrected, d.AttenuationCorrected = "EMISSION", "YES", "YES"
    d.DecayCorrectionDateTime = "20260103003000.000"
    d.PatientWeight = "70"
    d.RadiopharmaceuticalInformationSequence = Sequence(
        [item(RadiopharmaceuticalStartDateTime="20260102233000", RadionuclideTotalDose="3.5e8", RadionuclideHalfLife="6586.2")]
    )
    code = item(CodeValue=unit, CodingSchemeDesignator="UCUM", CodeMeaning=unit)
    mapping = item(RealWorldValueSlope=slope, RealWorldValueIntercept=0.0, LUTLabel="values", MeasurementUnitsCodeSequence=Sequence([code]))
    mapping.add_new("RealWorldValueFirstValueMapped", "US", 0)
    mapping.add_new("RealWorldValueLastValueMapped", "US", 4095)
    d.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = Sequence([mapping])


def convert(name, to):
    """The classic PET series as highdicom makes one legacy converted enhanced image of it."""
    slices = [dcmread(file) for file in sorted((out / name).glob("*.dcm"))]
    with warnings.catch_warnings():
        # Of a patient's name that is one word.
        warnings.simplefilter("ignore")
        whole = LegacyConvertedEnhancedPETImage(slices, f"{ROOT}.6.1", 1, f"{ROOT}.6.2", 1)
    (out / to).mkdir()
    whole.save_as(out / to / "all.dcm")
    for known in out.glob(f"{name}.*"):
        shutil.copy(known, out / known.name.replace(name, to))


def lut(d, k):
    del d.RescaleSlope, d.RescaleIntercept, d.RescaleType
    table = item(ModalityLUTType="HU")
    table.add_new("LUTDescriptor", "US", [200, 100, 16])
    table.add_new("LUTData", "US", [(n * n) % 3001 for n in range(200)])
    d.ModalityLUTSequence = Sequence([table])


def looked_up(stored):
    return np.array([(n * n) % 3001 for n in range(200)])[np.clip(stored - 100, 0, 199)].astype(float)


def main():
    slopes = lambda k: 0.5 + 0.25 * k
    classic("ct-axial", [Volume()], slope=lambda k: 1.0)
    classic("ct-axial-down", [Volume(down=True)])
    classic("ct-signed", [Volume(low=-2000, high=2000)], bits=16, signed=True, intercept=-24)
    classic("ct-slope-per-slice", [Volume(OBLIQUE)], slope=slopes, intercept=-1000)
    classic("ct-tilt", [Volume(lean=(0, np.tan(np.radians(14))))])
    classic("ct-tilt-slices", [Volume((unit([1, 0, 0]), unit([0, np.cos(0.3), -np.sin(0.3)])), lean=(0, -np.tan(0.3)))])
    classic("ct-modality-lut", [Volume(high=400)], change=lut, value=looked_up)
    classic("mr-sagittal", [Volume(SAGITTAL)], "MR")
    classic("mr-coronal", [Volume(CORONAL, down=True)], "MR")
    classic("mr-oblique", [Volume(OBLIQUE)], "MR", bits=16)
    classic("mr-8-bit", [Volume(OBLIQUE, high=256)], "MR", bits=8)
    classic("pt-activity", [Volume(AXIAL, high=30000)], "PT", slope=slopes, intercept=0, bits=16, signed=True, tell=pet)

    def echoes(d, v, k):
        d.EchoNumbers, d.EchoTime = v + 1, ["2.3", "4.6", "6.9"][v]

    classic("mr-echoes", [Volume(OBLIQUE) for _ in range(3)], "MR", tell=echoes)

    def diffusion(d, v, k):
        d.DiffusionBValue = [0.0, 500.0, 500.0, 1000.0][v]
        d.DiffusionGradientOrientation = [[0.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [1.0, 0, 0]][v]

    classic("mr-diffusion", [Volume(AXIAL) for _ in range(4)], "MR", tell=diffusion)

    def phases(d, v, k):
        d.NominalPercentageOfCardiacPhase = 10.0 * (v + 1)
        d.AcquisitionTime = f"1015{v:02}"

    classic("ct-phases", [Volume() for _ in range(3)], tell=phases)

    def acquisitions(d, v, k):
        d.AcquisitionNumber = v + 1

    classic("ct-acquisitions", [Volume(size=(20, 16, 9)), Volume(size=(20, 16, 5), origin=(-20.5, -31.25, 23.75))], tell=acquisitions)

    def inverted(d, k):
        d.PhotometricInterpretation = "MONOCHROME1"

    classic("mr-monochrome1", [Volume(OBLIQUE)], "MR", change=inverted, value=lambda stored: 4095.0 - stored)

    def padded(d, k):
        # A range, as signed numbers that an unsigned VR writes.
        d.add_new("PixelPaddingValue", "US", 0x10000 - 2000)
        d.add_new("PixelPaddingRangeLimit", "US", 0x10000 - 1500)

    def unpadded(stored):
        padding = (stored >= -2000) & (stored <= -1500)
        assert padding.any()
        return np.where(padding, stored[~padding].min(), stored) - 24.0

    classic("ct-padding", [Volume(low=-2000, high=2000)], bits=16, signed=True, intercept=-24, change=padded, value=unpadded)

    def scouts(d, v, k):
        if v == 1:
            d.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    classic("ct-localisers", [Volume(), Volume(CORONAL, size=(20, 16, 2))], tell=scouts)

    enhanced("enhanced-ct", [Volume(OBLIQUE)], "CT", intercept=-1024)
    enhanced("enhanced-mr", [Volume(SAGITTAL)], "MR", slope=lambda k: 2.0)
    enhanced("enhanced-pt", [Volume(AXIAL)], "PT", slope=slopes)
    te = [2.3, 4.6]
    echo = lambda v: {"MREchoSequence": Sequence([item(EffectiveEchoTime=te[v])])}
    enhanced("enhanced-mr-echoes", [Volume(OBLIQUE), Volume(OBLIQUE)], "MR", tell=echo, dimension=(0x00189082, 0x00189114))
    time = lambda v: {}
    enhanced("enhanced-mr-times", [Volume(CORONAL), Volume(CORONAL)], "MR", tell=time, dimension=(0x00209128, 0x00209111))
    classic("ct-high-bit", [Volume()], change=in_high_bits)
    classic("ct-high-bit-rle", [Volume()], change=lambda d, k: (in_high_bits(d, k), run_lengths(d)), syntax=RLELossless)
    # What the scanner's own rescaling says has no unit here; the mapping has.
    enhanced("enhanced-pt-activity", [Volume(AXIAL)], "PT", change=lambda d: tracer(d, "Bq/ml", 2.5))
    enhanced("enhanced-pt-suv", [Volume(AXIAL)], "PT", change=lambda d: tracer(d, "{SUVbw}g/ml", 0.001))
    enhanced("enhanced-pt-uncorrected", [Volume(AXIAL)], "PT", change=lambda d: (tracer(d, "Bq/ml", 2.5), setattr(d, "AttenuationCorrected", "NO")))
    classic("pt-to-convert", [Volume(AXIAL, high=30000)], "PT", slope=slopes, intercept=0, bits=16, signed=True, tell=pet)
    convert("pt-to-convert", "enhanced-pt-converted")
    # Large enough for the levels of a wavelet transform.
    enhanced("enhanced-ct-large", [Volume(size=(96, 80, 4))], "CT", intercept=-1024)


main()
