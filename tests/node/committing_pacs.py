"""A PACS, as pynetdicom's Storage and Storage Commitment SCP, that commits as told.

usage: committing_pacs.py PORT NODE_PORT FOLDER ANSWER...

Each ANSWER serves one request for commitment, the last one all further ones:

  same      reports on the association that asked: committed
  new       reports on an association of its own: committed
  XXXX      reports on an association of its own: all failed, for this reason (hex)
  refuse    does not take the request (0122H)
  late      reports, as `new`, once there is a file FOLDER/report
  silence   takes the request, and never reports
  stuck     does not even answer the request

What it is asked, and what is answered to its reports, it prints.
"""

import pathlib
import sys
import threading
import time

from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

port, node_port, folder = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
answers = sys.argv[4:]


def say(*words):
    print(*words, flush=True)


def on_store(event):
    say("C-STORE", event.request.AffectedSOPInstanceUID)
    return 0x0000


def report_on(association, information, event_type):
    status, _ = association.send_n_event_report(
        information, event_type, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    )
    say("reported", f"{status.Status:04X}" if "Status" in status else "nobody answered")


def report_anew(information, event_type):
    association = pacs.associate(
        "127.0.0.1",
        node_port,
        contexts=pacs.requested_contexts,
        ae_title="IRISNODE",
        ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)],
    )
    if not association.is_established:
        say("the association was not established")
        return
    report_on(association, information, event_type)
    association.release()


def on_action(event):
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    asked = event.action_information
    items = asked.ReferencedSOPSequence
    say("N-ACTION", answer, asked.TransactionUID, *[item.ReferencedSOPInstanceUID for item in items])
    if answer == "stuck":
        time.sleep(300)
    if answer == "refuse":
        return 0x0122, None
    information = Dataset()
    information.TransactionUID = asked.TransactionUID
    event_type = 1
    if answer in ("same", "new", "late"):
        information.ReferencedSOPSequence = items
    elif answer != "silence":
        event_type = 2
        for item in items:
            item.FailureReason = int(answer, 16)
        information.FailedSOPSequence = items

    def report():
        while answer == "late" and not (folder / "report").exists():
            time.sleep(0.05)
        # After the response to the request.
        time.sleep(0.1)
        if answer == "same":
            report_on(event.assoc, information, event_type)
        elif answer != "silence":
            report_anew(information, event_type)

    threading.Thread(target=report, daemon=True).start()
    return 0x0000, None


pacs = AE(ae_title="PACS")
pacs.requested_contexts = []
pacs.add_requested_context(StorageCommitmentPushModel)
pacs.supported_contexts = AllStoragePresentationContexts
pacs.add_supported_context(StorageCommitmentPushModel)
pacs.start_server(
    ("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, on_store), (evt.EVT_N_ACTION, on_action)]
)
