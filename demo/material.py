"""What the demo works on: real subjects where they are at hand, else drawn ones."""

import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass

from judge import judge


@dataclass
class Material:
    """A reference to teach a task from, and a series to segment whose labels are known."""

    description: str
    task: str
    modality: str
    reference_image: pathlib.Path
    reference_labels: pathlib.Path
    series: pathlib.Path
    known_labels: pathlib.Path
    # Segment label → its value in both label maps.
    segments: dict

    @property
    def task_arguments(self):
        arguments = ["--image", self.reference_image, "--label", self.reference_labels]
        for name, value in self.segments.items():
            arguments += ["--segment", f"{value}={name}"]
        return arguments

    def judge(self, seg, picture):
        return judge(seg, self.series, self.known_labels, self.segments, picture)


def choose_material(root, out):
    shared = pathlib.Path(os.environ.get("IRISNODE_SHARED", root / "../shared/data"))
    if shared.is_dir():
        return real_material(shared, out)
    return drawn_material(root)


def real_material(shared, out):
    series = out / "series"
    # The identifiers of these files were emptied by anonymisation; no PACS takes them so.
    subprocess.run(
        [sys.executable, pathlib.Path(__file__).parent / "identify.py", shared / "ct_b/dicom", series],
        check=True,
    )
    return Material(
        description="real CT of two subjects (TotalSegmentator's test data): A teaches, B is segmented",
        task="abdomen",
        modality="CT",
        reference_image=shared / "ct_a/image.nii.gz",
        reference_labels=shared / "ct_a/labels.nii.gz",
        series=series,
        known_labels=shared / "ct_b/labels.nii.gz",
        # T12 and not L1: labels.tsv calls value 31 vertebrae_L1, and subject B has none of it.
        segments={"spleen": 1, "liver": 5, "stomach": 6, "aorta": 52, "vertebrae_T12": 32},
    )


def drawn_material(root):
    """dicom-fixtures/ of the checkout: two drawn subjects.

    reference/image.nii.gz and labels.nii.gz, query/series/*.dcm and
    query/labels.nii.gz, and segments.tsv with a label value and its name a line.
    """
    fixtures = root / "dicom-fixtures"
    lines = (fixtures / "segments.tsv").read_text().split("\n")
    pairs = [line.split("\t") for line in lines if line.strip()]
    return Material(
        description="two subjects drawn by irisnode itself (dicom-fixtures/): one teaches, one is segmented",
        task="drawn-organs",
        modality="CT",
        reference_image=fixtures / "reference/image.nii.gz",
        reference_labels=fixtures / "reference/labels.nii.gz",
        series=fixtures / "query/series",
        known_labels=fixtures / "query/labels.nii.gz",
        segments={name: int(value) for value, name in pairs},
    )
