"""Reports to a node on a storage commitment, as pynetdicom's SCP, and prints the answer as JSON.

usage: report_commitment.py NODE_PORT CALLING_AE TRANSACTION_UID INSTANCE EVENT_TYPE

A TRANSACTION_UID of `-` leaves that out.
"""

import json
import sys

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

port, calling, transaction, instance, event_type = sys.argv[1:]
information = Dataset()
if transaction != "-":
    information.TransactionUID = transaction
item = Dataset()
item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
item.ReferencedSOPInstanceUID = instance
information.ReferencedSOPSequence = [item]
ae = AE(calling)
ae.add_requested_context(StorageCommitmentPushModel)
association = ae.associate(
    "127.0.0.1", int(port), ae_title="IRISNODE", ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)]
)
accepted = association.accepted_contexts[0]
status, _ = association.send_n_event_report(
    information, int(event_type), StorageCommitmentPushModel, StorageCommitmentPushModelInstance
)
association.release()
print(json.dumps({"status": status.Status, "as_provider": accepted.as_scp, "as_user": accepted.as_scu}))
