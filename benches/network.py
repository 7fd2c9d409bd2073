"""One forward pass of the network: irisnode against the same network in PyTorch eager.

Two processes take turns, pass by pass, on the same weights, query and
embedding, with two threads each; neither keeps gradients. First their logits
are compared, so that it is known to be the same work.
"""

import sys

from conversation import Conversation
from places import ROOT, WEIGHTS
from processes import Processes
from programs import built
from rounds import interleave, ratio, seconds, table, times_as_fast
from safetensors.torch import load_file

TITLE = "One pass of the network, embedding at hand"
OURS = "irisnode"
# Name → the word for it of network_in_pytorch.py.
PEERS = {
    "PyTorch, the oracle as written": "written",
    "PyTorch, the same, channels last": "channels_last",
    "PyTorch, operations in irisnode's order": "reduced",
}
THREADS = 2
CLASSES = (1, 4, 20)


def measure(quick, folder):
    size, rounds = ("32,64,64", 3) if quick else ("64,80,80", 9)
    figures, rows = {}, []
    with Processes() as processes:
        ours, theirs = start(processes, folder, size)
        apart = {(k, name): difference(ours, theirs, folder, k, order) for k in CLASSES for name, order in PEERS.items()}
        # All numbers of classes in one round too: what a class more costs is a ratio like any other.
        contestants = {(k, OURS): lambda k=k: ours.seconds(f"pass {k}") for k in CLASSES}
        for name, order in PEERS.items():
            contestants |= {(k, name): lambda k=k, order=order: theirs.seconds(f"pass {k} {order}") for k in CLASSES}
        taken = interleave(contestants, rounds)
    for k in CLASSES:
        mine = taken[k, OURS]
        dearer = times_as_fast(mine, taken[1, OURS])
        rows.append([k, OURS, seconds(mine), "", "", "" if k == 1 else ratio(dearer)])
        figures[f"K={k}, {OURS}"] = {"seconds": mine, "times_one_class": dearer}
        for name in PEERS:
            faster = times_as_fast(taken[k, name], mine)
            rows.append([k, name, seconds(taken[k, name]), ratio(faster), f"{apart[k, name]:.1e}", ""])
            figures[f"K={k}, {name}"] = {"seconds": taken[k, name], "irisnode_times_as_fast": faster,
                                         "largest_difference_of_logits": apart[k, name]}
    notes = [f"Window {size} (D, H, W), float32, {THREADS} threads each, {rounds} rounds; "
             f"PyTorch {theirs.greeting['torch']}, weights {ours.greeting['weights'][:12]}."]
    heading = ["classes K", "", "one pass", "irisnode is", "largest difference of logits", "against K = 1"]
    return {"figures": figures, "table": table(heading, rows), "notes": notes}


def start(processes, folder, size):
    """Both sides, warm: the first passes choose kernels and grow the allocator."""
    ours = Conversation(processes, [built("network"), WEIGHTS, folder, size, THREADS], folder / "irisnode.log")
    peer = [sys.executable, ROOT / "benches/network_in_pytorch.py", WEIGHTS, folder, THREADS]
    theirs = Conversation(processes, peer, folder / "pytorch.log")
    for k in CLASSES:
        ours.ask(f"pass {k}")
        for order in PEERS.values():
            theirs.ask(f"pass {k} {order}")
    return ours, theirs


def difference(ours, theirs, folder, k, order):
    """Largest absolute difference of the logits; more than the golden tests allow ends the benchmark."""
    mine, other = folder / "ours.safetensors", folder / "theirs.safetensors"
    ours.ask(f"logits {k} {mine}")
    theirs.ask(f"logits {k} {other} {order}")
    mine, other = load_file(mine)["logits"], load_file(other)["logits"]
    apart = (mine - other).abs().max().item()
    if mine.shape != other.shape or apart > 1e-4 * max(1.0, mine.abs().max().item()):
        raise SystemExit(f"not the same work: logits differ by {apart}")
    return apart

