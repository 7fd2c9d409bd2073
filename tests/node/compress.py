"""Compresses a DICOM file without loss by JPEG 2000 or HTJ2K, its UIDs kept.

usage: compress.py [--htj2k MODULES | --damaged-htj2k] FROM TO

MODULES is the folder of node_modules; --damaged-htj2k gives a code stream that ends too soon.
"""

import subprocess
import sys
from pathlib import Path

import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEG2000Lossless

*options, source, target = sys.argv[1:]
data_set = pydicom.dcmread(source)
if options:
    stream = b"\xff\x4f\xff\x50" + bytes(200)
    if options[0] == "--htj2k":
        shape = [data_set.Columns, data_set.Rows, data_set.BitsStored, data_set.PixelRepresentation]
        command = ["node", Path(__file__).with_name("htj2k.mjs"), options[1], *map(str, shape)]
        stream = subprocess.run(command, input=data_set.PixelData, stdout=subprocess.PIPE, check=True).stdout
    data_set.PixelData = encapsulate([stream])
    data_set["PixelData"].VR = "OB"
    data_set.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.201")
else:
    data_set.compress(JPEG2000Lossless, generate_instance_uid=False)
data_set.save_as(target)
