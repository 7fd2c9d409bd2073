"""Compresses a DICOM file by JPEG 2000 lossless, its UIDs kept.

usage: compress.py [--call-it-htj2k] FROM TO

With --call-it-htj2k the code stream is damaged and the file says HTJ2K.
"""

import sys

import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEG2000Lossless

*options, source, target = sys.argv[1:]
data_set = pydicom.dcmread(source)
data_set.compress(JPEG2000Lossless, generate_instance_uid=False)
if options:
    data_set.PixelData = encapsulate([b"\xff\x4f\xff\x50" + bytes(200)])
    data_set.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.201")
data_set.save_as(target)
