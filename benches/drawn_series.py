"""CT series drawn by `irisnode phantom`, made once and kept in target/bench/series/."""

import os
import subprocess

import pydicom
from places import IRISNODE, OUT


def drawn_series(seed, size, spacing, segments=(), form="dicom"):
    """The folder of a drawn subject: series/*.dcm (or image.nii.gz), labels.nii.gz, segments.tsv."""
    name = f"{form}-{seed}-" + "x".join(map(str, size))
    folder = OUT / "series" / name
    if folder.exists():
        return folder
    unfinished = OUT / "series" / f"{name}.{os.getpid()}"
    command = [IRISNODE, "phantom", "--seed", seed, "--out", unfinished, "--format", form,
               "--size", ",".join(map(str, size)), "--spacing", ",".join(map(str, spacing))]
    for segment in segments:
        command += ["--segment", segment]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, timeout=570)
    unfinished.rename(folder)
    return folder


def small_instances(count, folder):
    """Slices of 64 × 64 under UIDs of their own, in one study and in series of a hundred; their files."""
    source = pydicom.dcmread(files(drawn_series(3, (64, 64, 20), (6.0, 6.0, 10.0)))[0])
    folder.mkdir(parents=True)
    source.StudyInstanceUID = pydicom.uid.generate_uid()
    for number in range(count):
        if number % 100 == 0:
            source.SeriesInstanceUID = pydicom.uid.generate_uid()
        source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        source.InstanceNumber = number % 100 + 1
        source.save_as(folder / f"{number:05}.dcm")
    return sorted(folder.iterdir())


def files(folder):
    """The instances of a drawn series, lowest slice first."""
    return sorted((folder / "series").glob("*.dcm"))
