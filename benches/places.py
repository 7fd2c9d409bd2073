"""Where things lie, and the demo's way to start and end processes."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
IRISNODE = ROOT / "target/release/irisnode"
WEIGHTS = ROOT / "weights/iris.safetensors"
OUT = ROOT / "target/bench"

# demo/ has processes.py, tests/oracle the network in PyTorch: used, not copied.
sys.path[:0] = [str(ROOT / "demo"), str(ROOT / "tests/oracle")]
