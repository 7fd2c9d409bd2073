"""Recodes the frames of a DICOM file, its UIDs kept.

usage: recode.py MODULES KIND FROM TO

MODULES is the folder of node_modules with OpenJPH, which writes HTJ2K and reads it back; JPEG 2000 is OpenJPEG's.
KIND is jpeg2000-lossless, jpeg2000, htj2k, htj2k-rpcl (by resolution), htj2k-lossy, htj2k-damaged (a code stream that
ends too soon), or plain.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000, UID, ExplicitVRLittleEndian, JPEG2000Lossless

HTJ2K = {"htj2k": ".201", "htj2k-rpcl": ".202", "htj2k-lossy": ".203", "htj2k-damaged": ".201"}
HTJ2K = {kind: "1.2.840.10008.1.2.4" + last for kind, last in HTJ2K.items()}

modules, kind, source, target = sys.argv[1:]
data_set = pydicom.dcmread(source)
shape = [data_set.Columns, data_set.Rows, data_set.BitsStored, data_set.PixelRepresentation]
frames = int(data_set.get("NumberOfFrames", 1))


def openjph(how, frame):
    if how == "htj2k-damaged":
        return b"\xff\x4f\xff\x50" + bytes(200)
    command = ["node", Path(__file__).with_name("openjph.mjs"), modules, how, *map(str, shape)]
    return subprocess.run(command, input=frame, stdout=subprocess.PIPE, check=True).stdout


if kind == "jpeg2000-lossless":
    data_set.compress(JPEG2000Lossless, generate_instance_uid=False)
elif kind == "jpeg2000":
    data_set.compress(JPEG2000, j2k_cr=[4], generate_instance_uid=False)
elif kind in HTJ2K:
    stored = np.frombuffer(data_set.PixelData, "<u2").reshape(frames, -1)
    data_set.PixelData = encapsulate([openjph(kind, frame.tobytes()) for frame in stored])
    data_set["PixelData"].VR = "OB"
    data_set.file_meta.TransferSyntaxUID = UID(HTJ2K[kind])
elif data_set.file_meta.TransferSyntaxUID in HTJ2K.values():
    streams = generate_frames(data_set.PixelData, number_of_frames=frames)
    data_set.PixelData = b"".join(openjph("plain", stream) for stream in streams)
    data_set["PixelData"].VR = "OW"
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
else:
    data_set.decompress(generate_instance_uid=False)
data_set.save_as(target)
