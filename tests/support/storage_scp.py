"""A Storage SCP that answers as told, for cases no well-behaved PACS shows on demand.

usage: storage_scp.py PORT ANSWER...

Each ANSWER serves one C-STORE, the last one all further ones: a status in hex,
`abort` to end the association, or `silence` to wait for a minute.
"""

import sys
import time

from pynetdicom import AE, AllStoragePresentationContexts, evt

answers = sys.argv[2:]


def on_store(event):
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    print("C-STORE, answering", answer, flush=True)
    if answer == "abort":
        event.assoc.abort()
        return 0xC000
    if answer == "silence":
        time.sleep(60)
    return int(answer, 16)


ae = AE(ae_title="PEER")
ae.supported_contexts = AllStoragePresentationContexts
ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=[(evt.EVT_C_STORE, on_store)])
