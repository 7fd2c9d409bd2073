"""The network's peer: the oracle's PyTorch, eager, for the same weights and inputs.

usage: network_in_pytorch.py WEIGHTS FOLDER THREADS

Reads FOLDER/inputs.safetensors, which benches/network.rs wrote, and answers
the lines `pass K ORDER` and `logits K FILE ORDER` as that program answers them
without ORDER, which is `written` (the oracle as it stands), `channels_last`
(the same, weights and query in that memory format) or `reduced` (its decoder
reduces features before it enlarges them, as irisnode's does).
"""

import functools
import json
import pathlib
import sys
import time

import places  # noqa: F401  (puts tests/oracle on the path)
import iris_oracle
import torch
from safetensors.torch import load_file, save_file

# A loop over every cell, for clarity; a program that is used would not do it anew each time.
iris_oracle.coordinates = functools.cache(iris_oracle.coordinates)


def reduced_first(stage, x, skip):
    """UpStage.forward by linearity: the same numbers, an eighth of the convolution's work."""
    return stage.merge(torch.cat([iris_oracle.enlarge(stage.reduce(x), skip.shape[2:]), skip], 1))


AS_WRITTEN = iris_oracle.UpStage.forward
ORDERS = {"written": AS_WRITTEN, "channels_last": AS_WRITTEN, "reduced": reduced_first}


@torch.inference_mode()
def main(weights, folder, threads):
    torch.set_num_threads(int(threads))
    contiguous = iris_oracle.load(weights)
    inputs = load_file(pathlib.Path(folder) / "inputs.safetensors")
    channels_last = iris_oracle.load(weights).to(memory_format=torch.channels_last_3d)
    query_last = inputs["query"].to(memory_format=torch.channels_last_3d)
    print(json.dumps({"torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        what, classes, *file, order = line.split()
        iris_oracle.UpStage.forward = ORDERS[order]
        embedding = inputs["embedding"][None, : int(classes)]
        iris, query = (channels_last, query_last) if order == "channels_last" else (contiguous, inputs["query"])
        start = time.perf_counter()
        logits = iris(query, embedding)
        taken = time.perf_counter() - start
        if what == "logits":
            save_file({"logits": logits.contiguous()}, file[0])
        print(json.dumps({"seconds": taken}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
