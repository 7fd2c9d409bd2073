"""The SEG writer's peer: highdicom makes and saves the same segmentation.

usage: seg_writing_highdicom.py SERIES LABELS SEGMENTS OUT

Arguments and answers are those of benches/seg_writing.rs. The source images
are read, without their pixels, before the first line is answered.
"""

import json
import pathlib
import sys
import time

import highdicom as hd
import numpy as np
import pydicom
from process_memory import memory_mib
from pydicom.sr.codedict import codes


def main(series, labels, segments, out):
    source = [pydicom.dcmread(file, stop_before_pixels=True) for file in sorted(pathlib.Path(series).iterdir())]
    array = np.fromfile(labels, "<u2").reshape(len(source), source[0].Rows, source[0].Columns)
    # As small as it can be, which is quickest for highdicom.
    array = array.astype(np.uint8)
    descriptions = [describe(number) for number in range(1, int(segments) + 1)]
    print(json.dumps({"highdicom": hd.__version__}), flush=True)
    for _ in sys.stdin:
        before = forget_peak()
        start = time.perf_counter()
        hd.seg.Segmentation(
            source_images=source,
            pixel_array=array,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=descriptions,
            series_instance_uid=hd.UID(),
            series_number=100,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="irisnode",
            manufacturer_model_name="benchmark",
            software_versions="1",
            device_serial_number="1",
            omit_empty_frames=True,
        ).save_as(out)
        taken = time.perf_counter() - start
        print(json.dumps({"seconds": taken, "peak_mib": memory_mib("VmHWM") - before}), flush=True)


def describe(number):
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"segment {number}",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Spleen,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="benchmark", version="1", family=codes.DCM.ArtificialIntelligence
        ),
    )


def forget_peak():
    """Lets the kernel count the peak anew; MiB in use now. The way benches/seg_writing.rs counts."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return memory_mib("VmRSS")


if __name__ == "__main__":
    main(*sys.argv[1:])
