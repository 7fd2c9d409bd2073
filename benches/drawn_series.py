"""CT series drawn by `irisnode phantom`, made once and kept in target/bench/series/."""

import os
import subprocess

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


def files(folder):
    """The instances of a drawn series, lowest slice first."""
    return sorted((folder / "series").glob("*.dcm"))
