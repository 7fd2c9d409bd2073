"""What the dicomweb-client library does to a node: usage client.py WHAT URL FOLDER [MORE].

store   stores the files of FOLDER in one request; prints what came back as JSON.
read    holds all that the node gives of the study in FOLDER against the files themselves.
results waits until a SEG and an SR of the study are found, and leaves them in MORE.
"""

import email
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pydicom
import pydicom.encaps
import requests
from dicomweb_client.api import DICOMwebClient
from PIL import Image

EXPLICIT = "1.2.840.10008.1.2.1"


def files(folder):
    return [pydicom.dcmread(path) for path in sorted(Path(folder).glob("*.dcm"))]


def assert_same(found, sent):
    assert found.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
    assert set(found.keys()) == set(sent.keys())
    for element in sent:
        assert found[element.tag] == element, element.tag


def store(client, folder):
    answer = client.store_instances(files(folder))
    print(json.dumps(answer.to_json_dict()))


def search(client, sent):
    first = sent[0]
    study, series = first.StudyInstanceUID, first.SeriesInstanceUID
    by_client = client.search_for_studies(search_filters={"StudyInstanceUID": study})
    assert len(by_client) == 1, by_client
    found = pydicom.Dataset.from_json(by_client[0])
    assert found.NumberOfStudyRelatedInstances >= len(sent)
    assert first.Modality in found.ModalitiesInStudy
    for keyword in ["PatientName", "PatientID", "StudyDate", "StudyTime"]:
        assert str(found[keyword].value) == str(first[keyword].value), keyword
    assert found.RetrieveURL.endswith(f"/studies/{study}")
    name = str(first.PatientName)
    for filters, hits in [
        ({"PatientID": first.PatientID}, 1),
        ({"PatientID": "nobody"}, 0),
        ({"PatientName": name[:3].lower() + "*"}, 1),
        ({"PatientName": "?" + name[1:]}, 1),
        ({"StudyDate": f"{first.StudyDate}-"}, 1),
        ({"StudyDate": f"-{int(first.StudyDate) - 1}"}, 0),
        ({"ModalitiesInStudy": first.Modality}, 1),
        ({"ModalitiesInStudy": "US"}, 0),
    ]:
        filters = {"StudyInstanceUID": study, **filters}
        assert len(client.search_for_studies(search_filters=filters)) == hits, filters
    # A field that no catalogue has is read from an instance.
    told = client.search_for_studies(search_filters={"StudyInstanceUID": study}, fields=["PatientPosition"])
    assert pydicom.Dataset.from_json(told[0]).PatientPosition == first.PatientPosition
    all_series = client.search_for_series(study)
    one = [s for s in all_series if s["0020000E"]["Value"][0] == series]
    assert len(one) == 1
    assert pydicom.Dataset.from_json(one[0]).NumberOfSeriesRelatedInstances == len(sent)
    instances = client.search_for_instances(study, series)
    assert {i["00080018"]["Value"][0] for i in instances} == {s.SOPInstanceUID for s in sent}
    assert all(i["00280010"]["Value"] == [first.Rows] for i in instances)
    pages = [client.search_for_instances(study, series, limit=3, offset=at) for at in range(0, len(sent), 3)]
    uids = [i["00080018"]["Value"][0] for page in pages for i in page]
    assert sorted(uids) == sorted(s.SOPInstanceUID for s in sent)
    number = first.InstanceNumber
    found = client.search_for_instances(search_filters={"SeriesInstanceUID": series, "InstanceNumber": number})
    assert [i["00080018"]["Value"][0] for i in found] == [first.SOPInstanceUID]


def retrieve(client, sent):
    first = sent[0]
    study, series = first.StudyInstanceUID, first.SeriesInstanceUID
    as_kept = (("application/dicom", "*"),)
    by_uid = {s.SOPInstanceUID: s for s in sent}
    for found in client.retrieve_series(study, series, media_types=as_kept):
        assert_same(found, by_uid.pop(found.SOPInstanceUID))
    assert not by_uid, "not all came"
    one = client.retrieve_instance(study, series, first.SOPInstanceUID, media_types=as_kept)
    assert_same(one, first)
    explicit = client.retrieve_instance(study, series, first.SOPInstanceUID, media_types=(("application/dicom", EXPLICIT),))
    assert explicit.file_meta.TransferSyntaxUID == EXPLICIT
    assert (explicit.pixel_array == first.pixel_array).all()
    # By the name of the transfer syntax that they are kept in.
    kept = (("application/dicom", str(first.file_meta.TransferSyntaxUID)),)
    assert_same(client.retrieve_instance(study, series, first.SOPInstanceUID, media_types=kept), first)
    assert len(client.retrieve_series(study, series, media_types=kept)) == len(sent)


def metadata(client, sent):
    first = sent[0]
    told = client.retrieve_series_metadata(first.StudyInstanceUID, first.SeriesInstanceUID)
    assert len(told) == len(sent)
    by_uid = {s.SOPInstanceUID: s for s in sent}
    for one in told:
        assert "BulkDataURI" in one["7FE00010"] and "InlineBinary" not in one["7FE00010"]
        bulk = one.pop("7FE00010")["BulkDataURI"]
        assert one.pop("00083002")["Value"] == [str(first.file_meta.TransferSyntaxUID)]
        found = pydicom.Dataset.from_json(one)
        instance = by_uid[found.SOPInstanceUID]
        for element in instance:
            if element.tag in (0x7FE00010, 0x00080005):
                continue
            assert found[element.tag].value == element.value or str(found[element.tag].value) == str(element.value), element.tag
        if found.SOPInstanceUID == first.SOPInstanceUID and not first.file_meta.TransferSyntaxUID.is_compressed:
            assert client.retrieve_bulkdata(bulk)[0] == first.PixelData


NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def native(document):
    """What a Native DICOM Model says: tag to value representation, keyword and values, numbers as such."""

    def value(element, vr):
        if element.tag == NATIVE + "Item":
            return attributes(element)
        if element.tag == NATIVE + "PersonName":
            return [(part.tag, part.text) for part in element.iter() if part.text and part.text.strip()]
        text = (element.text or "").strip()
        return float(text) if vr in ("DS", "IS", "US", "UL", "SS", "SL", "FD", "FL") and text else text

    def attributes(of):
        said = {}
        for one in of.findall(NATIVE + "DicomAttribute"):
            values = {v.get("number"): value(v, one.get("vr")) for v in one if v.tag != NATIVE + "BulkData"}
            values = {number: v for number, v in values.items() if v not in ("", [])}
            said[one.get("tag")] = (one.get("vr"), one.get("keyword"), values)
        return said

    return attributes(ElementTree.fromstring(document))


def in_xml(client, folder, sent):
    """The same metadata in XML is what DCMTK makes of the files."""
    first = sent[0]
    series = f"{url}/studies/{first.StudyInstanceUID}/series/{first.SeriesInstanceUID}"
    accept = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    answer = requests.get(f"{series}/metadata", headers=accept)
    assert answer.status_code == 200 and 'type="application/dicom+xml"' in answer.headers["Content-Type"], answer
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + answer.content).get_payload()
    assert len(parts) == len(sent)
    told = [native(part.get_payload(decode=True)) for part in parts]
    told = {one["00080018"][2]["1"]: one for one in told}
    for file in sorted(Path(folder).glob("*.dcm")):
        made = subprocess.run(["dcm2xml", "--native-format", "+Xn", file], check=True, capture_output=True)
        theirs = native(made.stdout)
        ours = told[theirs["00080018"][2]["1"]]
        # Where the pixels are, the syntax they are kept in, and the letters of the answer are for DICOMweb to say.
        for tag in ["7FE00010", "00083002", "00080005"]:
            theirs.pop(tag, None), ours.pop(tag, None)
        assert ours == theirs, {tag: (ours.get(tag), theirs.get(tag)) for tag in {*ours, *theirs} if ours.get(tag) != theirs.get(tag)}
    found = requests.get(f"{url}/series", params={"SeriesInstanceUID": first.SeriesInstanceUID}, headers=accept)
    assert found.status_code == 200 and b'keyword="Modality"' in found.content, found.content
    found = requests.get(f"{url}/series", params={"SeriesInstanceUID": "1.2.3"}, headers=accept)
    assert (found.status_code, found.content) == (204, b"")


def frames(client, sent):
    for instance in sent[:3]:
        uids = instance.StudyInstanceUID, instance.SeriesInstanceUID, instance.SOPInstanceUID
        found = client.retrieve_instance_frames(*uids, [1], media_types=(("application/octet-stream", EXPLICIT),))
        pixels = np.frombuffer(found[0], instance.pixel_array.dtype).reshape(instance.pixel_array.shape)
        assert (pixels == instance.pixel_array).all()


def streams(client, sent):
    """Code streams come as they are kept."""
    syntax = sent[0].file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return
    for instance in sent[:2]:
        uids = instance.StudyInstanceUID, instance.SeriesInstanceUID, instance.SOPInstanceUID
        found = client.retrieve_instance_frames(*uids, [1], media_types=(("image/jls", str(syntax)),))
        kept = next(pydicom.encaps.generate_frames(instance.PixelData, number_of_frames=1))
        assert found[0].rstrip(b"\0") == kept.rstrip(b"\0")


def rendered(client, sent):
    instance = sent[len(sent) // 2]
    uids = instance.StudyInstanceUID, instance.SeriesInstanceUID, instance.SOPInstanceUID
    picture = client.retrieve_instance_rendered(*uids, media_types=("image/png",), params={"window": "40,400,linear"})
    grey = np.asarray(Image.open(io.BytesIO(picture))).astype(float)
    hu = instance.pixel_array * float(instance.RescaleSlope) + float(instance.RescaleIntercept)
    # PS3.3 C.11.2.1.2.1.
    expected = np.clip((hu - 39.5) / 399 + 0.5, 0, 1) * 255
    assert np.abs(grey - expected).max() <= 1.5, np.abs(grey - expected).max()
    gif = client.retrieve_instance_rendered(*uids, media_types=("image/gif",), params={"window": "40,400,linear"})
    assert (np.asarray(Image.open(io.BytesIO(gif)).convert("L")) == grey).all()
    jpeg = client.retrieve_instance_rendered(*uids, media_types=("image/jpeg",))
    assert Image.open(io.BytesIO(jpeg)).size == (instance.Columns, instance.Rows)


def pictures(client, path, accept):
    """Content-Location and image of each part of an answer."""
    answer = requests.get(f"{client.base_url}{path}", headers={"Accept": accept}, timeout=60)
    assert answer.status_code == 200, answer.text
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n"
    parts = email.message_from_bytes(head.encode() + answer.content).get_payload()
    return {part["Content-Location"]: Image.open(io.BytesIO(part.get_payload(decode=True))) for part in parts}


def all_rendered(client, sent):
    first = sent[0]
    study = f"/studies/{first.StudyInstanceUID}"
    for path in (study, f"{study}/series/{first.SeriesInstanceUID}"):
        accept = 'multipart/related; type="image/png"'
        found = pictures(client, f"{path}/rendered?window=40,400&viewport=64,64", accept)
        assert {url.split("/")[-2] for url in found} >= {s.SOPInstanceUID for s in sent}
        assert all(picture.format == "PNG" and max(picture.size) == 64 for picture in found.values())
    middle = sent[len(sent) // 2]
    uids = middle.StudyInstanceUID, middle.SeriesInstanceUID, middle.SOPInstanceUID
    alone = client.retrieve_instance_rendered(*uids, media_types=("image/png",))
    among = pictures(client, f"{study}/series/{first.SeriesInstanceUID}/rendered", 'multipart/related; type="image/png"')
    picture = next(picture for url, picture in among.items() if middle.SOPInstanceUID in url)
    assert (np.asarray(picture) == np.asarray(Image.open(io.BytesIO(alone)))).all()


def film(client, path, instance):
    """All frames in one animated picture, or those that are asked for."""
    frames = int(instance.NumberOfFrames)
    for asked, numbers in ((path, range(1, frames + 1)), (path.replace("/rendered", "/frames/2,1/rendered"), (2, 1))):
        answer = requests.get(f"{client.base_url}{asked}", headers={"Accept": "image/gif"}, timeout=60)
        assert answer.status_code == 200, answer.text
        animated = Image.open(io.BytesIO(answer.content))
        assert (animated.format, animated.n_frames, animated.info["loop"]) == ("GIF", len(numbers), 0)
        for at, number in enumerate(numbers):
            animated.seek(at)
            assert animated.info["duration"] == 100
            shown = np.asarray(animated.convert("L"))
            assert (shown == instance.pixel_array[number - 1] * 255).all(), number
    # One that makes no films is told so.
    answer = requests.get(f"{client.base_url}{path}", headers={"Accept": "image/jpeg"}, timeout=60)
    assert answer.status_code == 406 and "image/gif" in answer.text, answer.text


def read(client, folder):
    sent = files(folder)
    search(client, sent)
    retrieve(client, sent)
    metadata(client, sent)
    in_xml(client, folder, sent)
    frames(client, sent)
    streams(client, sent)
    rendered(client, sent)
    all_rendered(client, sent)
    print("all of it")


def results(client, folder, out):
    study = files(folder)[0].StudyInstanceUID
    wanted = {"SEG", "SR"}
    found = {}
    until = time.monotonic() + 240
    while set(found) != wanted and time.monotonic() < until:
        for series in client.search_for_series(study):
            modality = series["00080060"]["Value"][0]
            if modality in wanted:
                found[modality] = series["0020000E"]["Value"][0]
        time.sleep(0.3)
    assert set(found) == wanted, found
    studies = client.search_for_studies(search_filters={"StudyInstanceUID": study, "ModalitiesInStudy": "SEG"})
    assert set(studies[0]["00080061"]["Value"]) == {"CT", *wanted}
    for modality, series in found.items():
        instance = client.retrieve_series(study, series)[0]
        instance.save_as(Path(out) / f"{modality}.dcm", enforce_file_format=True)
        if modality == "SEG":
            # A picture for each frame of it.
            path = f"/studies/{study}/series/{series}/instances/{instance.SOPInstanceUID}/rendered"
            found = pictures(client, path, 'multipart/related; type="image/jpeg"')
            assert len(found) == int(instance.NumberOfFrames)
            assert all(picture.format == "JPEG" for picture in found.values())
            film(client, path, instance)
    print("found")


what, url, *rest = sys.argv[1:]
client = DICOMwebClient(url=url)
globals()[what](client, *rest)
