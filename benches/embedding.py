"""A warm embedding against encoding the references again for every query.

The second is what in-context networks without a stored task embedding do
(UniverSeg, Tyche): each query pays for its references, and they answer one
class a pass, so that each class does. All is irisnode's own, in one process, in
turns: all classes from one encoding, and class by class. References are counted as tensors on
the network's grid, read and resampled already: in favour of encoding again.
"""

from conversation import Conversation
from places import WEIGHTS
from processes import Processes
from programs import built
from rounds import interleave, ratio, seconds, table, times_as_fast

TITLE = "Warm embedding against encoding the references anew"
THREADS = 2
REFERENCES = (1, 4)


def measure(quick, folder):
    size, rounds = ("32,64,64", 3) if quick else ("64,80,80", 9)
    warm = "warm embedding"
    ways = {warm: "warm"}
    for n in REFERENCES:
        references = f"encode {n} reference{'s' * (n > 1)} each time"
        ways |= {references: f"encode {n}", f"{references}, class by class": f"class by class {n}"}
    with Processes() as processes:
        ours = Conversation(processes, [built("network"), WEIGHTS, folder, size, THREADS], folder / "irisnode.log")
        for line in ways.values():
            ours.ask(line)
        taken = interleave({name: lambda line=line: ours.seconds(line) for name, line in ways.items()}, rounds)
    figures, rows = {}, []
    for name in ways:
        faster = times_as_fast(taken[name], taken[warm])
        rows.append([name, seconds(taken[name]), "" if name == warm else ratio(faster)])
        figures[name] = {"seconds": taken[name], "warm_times_as_fast": faster}
    notes = [f"Five classes; query and references of {size} (D, H, W) voxels, one window; {THREADS} threads, {rounds} rounds."]
    return {"figures": figures, "table": table(["", "one query segmented", "the warm embedding is"], rows), "notes": notes}
