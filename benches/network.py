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
from rounds import digits, interleave, ratio, seconds, table, times_as_fast
from safetensors.torch import load_file

TITLE = "One pass of the network, embedding at hand"
OURS = "irisnode"
WRITTEN, REDUCED = "PyTorch, the oracle as written", "PyTorch, operations in irisnode's order"
THREADS = 2
CLASSES = (1, 4, 16)


def measure(quick, folder):
    size, rounds = ("32,64,64", 3) if quick else ("64,80,80", 9)
    figures, rows = {}, []
    with Processes() as processes:
        ours, theirs = start(processes, folder, size)
        for k in CLASSES:
            apart = {order: difference(ours, theirs, folder, k, order) for order in ("written", "reduced")}
            taken = interleave(
                {OURS: lambda: ours.seconds(f"pass {k}"),
                 WRITTEN: lambda: theirs.seconds(f"pass {k} written"),
                 REDUCED: lambda: theirs.seconds(f"pass {k} reduced")},
                rounds,
            )
            rows.append([k, OURS, seconds(taken[OURS]), "", ""])
            for name, order in ((WRITTEN, "written"), (REDUCED, "reduced")):
                faster = times_as_fast(taken[name], taken[OURS])
                rows.append([k, name, seconds(taken[name]), ratio(faster), f"{apart[order]:.1e}"])
                figures[f"K={k}, {name}"] = {"seconds": taken[name], "irisnode_times_as_fast": faster,
                                             "largest_difference_of_logits": apart[order]}
            figures[f"K={k}, {OURS}"] = {"seconds": taken[OURS]}
        cost = spread_of_classes(figures)
    notes = [f"Window {size} (D, H, W), float32, {THREADS} threads each, {rounds} rounds; PyTorch {theirs.greeting['torch']}, "
             f"weights {ours.greeting['weights'][:12]}.",
             f"Sixteen classes in one pass take irisnode {digits(cost)} times as long as one class."]
    heading = ["classes K", "", "one pass", "irisnode is", "largest difference of logits"]
    return {"figures": figures, "table": table(heading, rows), "notes": notes}


def start(processes, folder, size):
    """Both sides, warm: the first passes choose kernels and grow the allocator."""
    ours = Conversation(processes, [built("network"), WEIGHTS, folder, size, THREADS], folder / "irisnode.log")
    peer = [sys.executable, ROOT / "benches/network_in_pytorch.py", WEIGHTS, folder, THREADS]
    theirs = Conversation(processes, peer, folder / "pytorch.log")
    for k in CLASSES:
        ours.ask(f"pass {k}")
        theirs.ask(f"pass {k} written")
        theirs.ask(f"pass {k} reduced")
    return ours, theirs


def difference(ours, theirs, folder, k, order):
    """Largest absolute difference of the logits; more than the golden tests allow ends the benchmark."""
    mine, other = folder / "ours.safetensors", folder / "theirs.safetensors"
    ours.ask(f"logits {k} {mine}")
    theirs.ask(f"logits {k} {other} {order}")
    mine, other = load_file(mine)["logits"], load_file(other)["logits"]
    apart = (mine - other).abs().max().item()
    if mine.shape != other.shape or apart > 1e-3 * max(1.0, mine.abs().max().item()):
        raise SystemExit(f"not the same work: logits differ by {apart}")
    return apart


def spread_of_classes(figures):
    """One pass of 16 classes in passes of one class, by medians."""
    medians = [sorted(figures[f"K={k}, {OURS}"]["seconds"]) for k in (CLASSES[-1], CLASSES[0])]
    many, one = (taken[len(taken) // 2] for taken in medians)
    return many / one
