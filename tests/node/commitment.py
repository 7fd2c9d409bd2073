"""Asks a node for storage commitment, as pynetdicom's SCU, and prints the report as JSON.

usage: commitment.py NODE_PORT OWN_PORT CLASS=INSTANCE ...
"""

import json
import sys
import threading

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

port, own = int(sys.argv[1]), int(sys.argv[2])
reported, report = threading.Event(), {}


def on_report(event):
    information = event.event_information
    report["event_type"] = event.event_type
    report["transaction"] = information.TransactionUID
    report["safe"] = [item.ReferencedSOPInstanceUID for item in information.get("ReferencedSOPSequence", [])]
    report["failed"] = {item.ReferencedSOPInstanceUID: item.FailureReason for item in information.get("FailedSOPSequence", [])}
    reported.set()
    return 0x0000, None


modality = AE("SCANNER")
# The node calls us, and is the provider all the same: it says so by role selection.
modality.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
server = modality.start_server(("127.0.0.1", own), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_report)])

request = Dataset()
request.TransactionUID = generate_uid()
request.ReferencedSOPSequence = []
for pair in sys.argv[3:]:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = pair.split("=")
    request.ReferencedSOPSequence.append(item)
scu = AE("SCANNER")
scu.add_requested_context(StorageCommitmentPushModel)
association = scu.associate("127.0.0.1", port, ae_title="IRISNODE")
status, _ = association.send_n_action(request, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
association.release()
report["status"] = status.Status
if status.Status == 0 and reported.wait(60):
    report["same_transaction"] = report.pop("transaction") == request.TransactionUID
server.shutdown()
print(json.dumps(report))
