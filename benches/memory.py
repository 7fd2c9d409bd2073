"""The most memory that segmenting takes, for volumes of one window and of several.

Each volume in a process of its own, so that one's freed memory does not serve
the next. Counted is what the process grew by beyond its weights and the
volume: the window's pass, the sum over windows, the result.
"""

from conversation import Conversation
from places import WEIGHTS
from processes import Processes
from programs import built
from rounds import digits, table

TITLE = "Memory of segmenting"
THREADS = 2
# Size (D, H, W) and classes; the last is more than one window takes.
VOLUMES = [("64,80,80", 1), ("64,80,80", 20), ("64,128,128", 1), ("64,128,128", 20), ("120,128,128", 20), ("200,112,112", 20)]


def measure(quick, folder):
    figures, rows = {}, []
    program = built("network")
    for size, classes in VOLUMES[: 2 if quick else None]:
        with Processes() as processes:
            ours = Conversation(processes, [program, WEIGHTS, folder, "32,64,64", THREADS], folder / "irisnode.log")
            answer = ours.ask(f"volume {size} {classes}")
        rows.append([size, classes, f"{answer['peak_mib']:.0f} MiB", f"{digits(answer['seconds'])} s"])
        figures[f"{size}, K={classes}"] = answer
    notes = [f"Random voxels; windows of at most 128³ voxels; {THREADS} threads, once each."]
    return {"figures": figures, "table": table(["volume (D, H, W)", "classes K", "peak beyond the input", "time"], rows), "notes": notes}
