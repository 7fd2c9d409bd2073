"""Receiving from a sender as it is shipped.

receive.py turns Nagle's algorithm off for DCMTK (TCP_NODELAY=1), so that work
is measured and no waiting. Nobody sets that variable: dcmsend as Debian builds
it, and Debian's Orthanc where it sends, hold the second half of a message back
until the first is acknowledged, and a receiver that does not see to it
acknowledges after 40 ms. This is the same measurement without the variable. Of
the small instances there is one round: over one association it takes most
providers seven minutes, nearly all of it waiting, which does not vary.
"""

import os

from drawn_series import drawn_series, files
from receive import HEADING, PROVIDERS, compare_all, kept_instances, settle
from rounds import table

TITLE = "Receiving from a sender as it is shipped"
WITHOUT = ("Orthanc, SyncStorageArea off", "storescp --ignore (keeps nothing)")


def measure(quick, folder):
    os.environ.pop("TCP_NODELAY", None)
    settle(quick)
    slices, small, rounds = (40, 50, 2) if quick else (300, 5000, 3)
    loads = {
        f"{slices} slices of 512 × 512": (files(drawn_series(3, (512, 512, slices), (0.8, 0.8, 1.0))), rounds),
        f"{small} instances of 64 × 64": (kept_instances(small), 1),
    }
    providers = {name: start for name, start in PROVIDERS.items() if name not in WITHOUT}
    figures, rows, notes = compare_all(loads, folder, providers)
    return {"figures": figures, "table": table(HEADING, rows), "notes": notes}
