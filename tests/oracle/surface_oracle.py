"""Surface distances as MONAI measures them: the judge of ours.

usage: surface_oracle.py GIVEN.safetensors FOUND.safetensors

GIVEN holds, for each case N, `one.N` and `other.N` [D, H, W], uint8, `spacing.N` (mm along D, H, W) and
`tolerance.N` (mm); FOUND gets `measures.N`: NSD, HD95 (NaN or infinite where there is none).
"""

import sys
import warnings

import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from safetensors.torch import load_file, save_file

warnings.filterwarnings("ignore", message="the (ground truth|prediction) of class")
warnings.filterwarnings("ignore", message=".*always_return_as_numpy", category=FutureWarning)


def measures(one, other, spacing, tolerance):
    one, other = (mask[None, None].float() for mask in (one, other))
    shared = {"include_background": True, "spacing": spacing}
    nsd = compute_surface_dice(one, other, class_thresholds=[tolerance], **shared)
    hd95 = compute_hausdorff_distance(one, other, percentile=95, **shared)
    return torch.stack([nsd.flatten()[0], hd95.flatten()[0]]).double()


given = load_file(sys.argv[1])
found = {}
for name, one in given.items():
    if name.startswith("one."):
        n = name.removeprefix("one.")
        found[f"measures.{n}"] = measures(
            one, given[f"other.{n}"], given[f"spacing.{n}"].tolist(), given[f"tolerance.{n}"].item()
        )
save_file(found, sys.argv[2])
