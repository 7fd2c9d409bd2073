"""Copies a DICOM series whose identifiers were emptied by anonymisation, with new ones filled in.

No PACS stores an instance without Study, Series and SOP Instance UID. The SOP
Instance UID is taken from the file meta information where it survives; the
others are derived from it, so that the same input gives the same identifiers.
Everything else, the compressed pixels included, stays as it is.

usage: identify.py SOURCE_FOLDER TARGET_FOLDER
"""

import pathlib
import sys
import uuid

import pydicom


def derived_uid(name):
    """A UID under 2.25 (PS3.5 section B.2), the same for the same name."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"


def fill(data_set, keyword, value):
    if not data_set.get(keyword):
        setattr(data_set, keyword, value)


def main():
    source, target = map(pathlib.Path, sys.argv[1:])
    target.mkdir(parents=True, exist_ok=True)
    series_name = None
    for path in sorted(source.iterdir()):
        try:
            data_set = pydicom.dcmread(path)
        except pydicom.errors.InvalidDicomError:
            continue
        meta = data_set.file_meta
        series_name = series_name or str(meta.MediaStorageSOPInstanceUID)
        fill(data_set, "SOPClassUID", meta.MediaStorageSOPClassUID)
        fill(data_set, "SOPInstanceUID", meta.MediaStorageSOPInstanceUID)
        fill(data_set, "StudyInstanceUID", derived_uid(series_name + " study"))
        fill(data_set, "SeriesInstanceUID", derived_uid(series_name + " series"))
        fill(data_set, "PatientID", "DEMO")
        fill(data_set, "PatientName", "Demo^Subject")
        fill(data_set, "StudyID", "1")
        fill(data_set, "SeriesNumber", 1)
        data_set.save_as(target / path.name)


if __name__ == "__main__":
    main()
