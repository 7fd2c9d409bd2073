"""Which architecture and which recipe learn most from the same compute?

    .deps/venv/bin/python benches/ablation.py [--minutes 10] [--only NAME ...] [--out DIR]

Every variant differs from the first in one thing. Each trains from fresh weights for the same processor time (user and
system time of all its threads, episodes included; what else the machine does hardly counts): its cost a step is measured
first, and its schedule is as long as that allows, so that its rate falls to the end like the others'. Then it segments
drawn torsos that are not those of the model card (`evaluate --first 1000`), one-shot. A variant that was measured is
not measured again: the command can be stopped and goes on. Prints a table, and keeps everything in DIR.
"""

import argparse
import copy
import json
import os
import resource
import shutil
import subprocess
import tomllib
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/irisnode"
RECIPE = ROOT / "weights/train-further.toml"
# Steps whose cost is measured, the first of which also warm up.
PROBE = 60
# Drawn torsos to choose by; those of the model card begin at 0.
FIRST, CASES = 1000, 12


AUGMENTATIONS = ("contrast", "gamma", "blur", "low_resolution", "bias", "noise", "artefacts")


def quiet(recipe: dict) -> None:
    recipe["augmentation"] = {name: 0.0 for name in AUGMENTATIONS}


def lamb(recipe: dict) -> None:
    recipe["optimiser"] = "lamb"
    recipe["schedule"]["peak"] = 2e-3


def finer(recipe: dict) -> None:
    recipe["network"]["spacing_mm"] = [4.0] * 3
    recipe["network"]["patch"] = [24, 80, 96]


def cubes(recipe: dict) -> None:
    recipe["network"]["patch"] = [32, 88, 104]


def channels(*widths: int):
    def change(recipe: dict) -> None:
        recipe["network"]["channels"] = list(widths)

    return change


def setting(name: str, value):
    def change(recipe: dict) -> None:
        recipe[name] = value

    return change


VARIANTS = {
    "as shipped": lambda recipe: None,
    "as shipped, another seed": setting("seed", 12),
    "deep supervision": setting("deep_supervision", 0.5),
    "4 mm voxels, patches as many mm": finer,
    "LAMB at 2e-3": lamb,
    "no augmentation": quiet,
    "patches twice as large": cubes,
    "half as wide again": channels(24, 48, 96, 192),
    "half as wide": channels(8, 16, 32, 64),
    "contrasts always alike": setting("unlike_contrasts", 0.0),
    "contrasts mostly unlike": setting("unlike_contrasts", 0.6),
}


def toml(table: dict, name: str = "") -> str:
    """TOML of the kinds of value that a recipe has; maps are tables of their own."""
    plain = {k: v for k, v in table.items() if not isinstance(v, dict) and k != "map"}
    text = f"[{name}]\n" if name else ""
    text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in plain.items())
    for key, value in table.items():
        if isinstance(value, dict):
            text += toml(value, key)
    for one in table.get("map", []):
        text += "[[map]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in one.items())
    return text


def used(command: list) -> float:
    """Runs a command; its processor time, s."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Threads that wait for one another burn processor time where other work holds them up.
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=alone)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def recipe_of(change) -> dict:
    recipe = tomllib.loads(RECIPE.read_text())
    for one in recipe["map"]:
        one["files"] = [str((RECIPE.parent / file).resolve()) for file in one["files"]]
        if "names" in one:
            one["names"] = str((RECIPE.parent / one["names"]).resolve())
    recipe["schedule"] = {"peak": 1e-3, "warm_up": 50, "steps": PROBE}
    recipe["threads"] = 1
    recipe["validate_every"] = 0
    recipe["validation"] = 0
    change(recipe)
    return recipe


def train(program: Path, recipe: dict, folder: Path) -> float:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(toml(recipe))
    return used([program, "train", "--config", folder / "recipe.toml", "--out", folder])


def measure(program: Path, name: str, change, minutes: float, out: Path) -> dict:
    folder = out / name.replace(" ", "-").replace(",", "")
    recipe = recipe_of(change)
    # A measurement that was cut off begins anew: what its first part cost is not known.
    shutil.rmtree(folder, ignore_errors=True)
    # What starting costs is no step's: two lengths tell them apart.
    costs = []
    for steps in (10, PROBE):
        shorter = copy.deepcopy(recipe)
        shorter["schedule"]["steps"] = steps
        costs.append(train(program, shorter, folder / f"probe-{steps}"))
    a_step = (costs[1] - costs[0]) / (PROBE - 10)
    recipe["schedule"]["steps"] = max(PROBE, int(minutes * 60 / a_step))
    spent = train(program, recipe, folder)
    report = folder / "evaluation.json"
    weights = folder / "weights.safetensors"
    command = [program, "evaluate", "--weights", weights, "--phantoms", str(CASES), "--first", str(FIRST)]
    used(command + ["--references", "1", "--method", "one-shot", "--json", report])
    cases = json.loads(report.read_text())["phantoms"]["cases"]
    of_case = [[s["methods"]["one-shot"]["dice"] for s in case["segments"]] for case in cases]
    return {
        "variant": name,
        "steps": recipe["schedule"]["steps"],
        "minutes": spent / 60,
        "weights": sum(tensor_sizes(weights).values()),
        "dice": [float(numpy.mean(dices)) for dices in of_case],
    }


def tensor_sizes(weights: Path) -> dict:
    """Numbers of each tensor of a safetensors file."""
    with open(weights, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    return {name: int(numpy.prod(tensor["shape"])) for name, tensor in header.items()}


def interval(differences: numpy.ndarray) -> tuple[float, float]:
    """Bootstrap 95 % interval of the mean."""
    random = numpy.random.default_rng(1)
    means = random.choice(differences, (4000, len(differences))).mean(axis=1)
    return tuple(numpy.percentile(means, [2.5, 97.5]))


def table(results: list[dict]) -> str:
    first = numpy.array(results[0]["dice"])
    lines = ["| variant | weights | steps | Dice | against the first |", "|---|---|---|---|---|"]
    for result in results:
        dice = numpy.array(result["dice"])
        low, high = interval(dice - first)
        change = f"{(dice - first).mean():+.3f} ({low:+.3f} to {high:+.3f})"
        if result is results[0]:
            change = ""
        size = f"{result['weights'] / 1e6:.1f} M"
        lines.append(f"| {result['variant']} | {size} | {result['steps']:,} | {dice.mean():.3f} | {change} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="processor minutes of training for each variant")
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=ROOT / "target/ablation")
    parser.add_argument("--program", type=Path, default=PROGRAM)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    kept = arguments.out / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else []
    for name in arguments.only:
        if name in [result["variant"] for result in results]:
            continue
        results.append(measure(arguments.program, name, VARIANTS[name], arguments.minutes, arguments.out))
        kept.write_text(json.dumps(results, indent=1))
        print(table(results), flush=True)
    print(f"\n{arguments.minutes:g} processor minutes each, {CASES} torsos, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
