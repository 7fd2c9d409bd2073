"""Reads a measurement report with highdicom and prints its groups as JSON.

usage: read_report.py REPORT
"""

import json
import sys

import highdicom

report = highdicom.sr.srread(sys.argv[1])
groups = []
for group in report.content.get_volumetric_roi_measurement_groups():
    (volume,) = [m for m in group.get_measurements() if m.name.meaning == "Volume"]
    reference = [item for item in group[0].ContentSequence if item.ValueType == "IMAGE"][0].ReferencedSOPSequence[0]
    sites = group.finding_sites
    groups.append(
        {
            "tracking_uid": group.tracking_uid,
            "tracking_id": group.tracking_identifier,
            "finding": group.finding_type.value,
            "category": group.finding_category.value,
            "laterality": [s.laterality.meaning for s in sites if s.laterality is not None],
            "ml": volume.value,
            "unit": volume.unit.value,
            "instance": reference.ReferencedSOPInstanceUID,
            "segment": int(reference.ReferencedSegmentNumber),
        }
    )
print(json.dumps({"class": report.SOPClassUID, "study": report.StudyInstanceUID, "groups": groups}))
