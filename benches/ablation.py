"""Which architecture and which recipe learn most from the same compute?

    .deps/venv/bin/python benches/ablation.py [--minutes 10] [--only NAME ...] [--out DIR]
    python3 benches/ablation.py --device cuda --minutes 0.67 [--program IRISNODE] [--recipe TOML]

Every variant differs from the first in one thing. Each trains from fresh weights for the same processor time (user and
system time of all its threads, episodes included; what else the machine does hardly counts), or on a card for the same
minutes with the machine to itself: its schedule is as long as that allows, so that its rate falls to the end like the
others'. Then all segment drawn torsos that are not those of the model card (`evaluate --first 1000`), one-shot. A
variant that was trained is not trained again: the command can be stopped and goes on. Prints a table, and keeps
everything in DIR.
"""

import argparse
import copy
import json
import os
import resource
import shutil
import subprocess
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/irisnode"
RECIPES = {"cpu": ROOT / "weights/train-further.toml", "cuda": ROOT / "weights/train-gpu.toml"}
# Steps whose cost is measured, the first of which also warm up.
PROBE = 60
# Drawn torsos to choose by; those of the model card begin at 0.
FIRST, CASES = 1000, 12
# Patches' sides are multiples of the network's stride.
STRIDE = 8


AUGMENTATIONS = ("contrast", "gamma", "blur", "low_resolution", "bias", "noise", "artefacts")


def quiet(recipe: dict) -> None:
    recipe["augmentation"] = {name: 0.0 for name in AUGMENTATIONS}


def lamb(recipe: dict) -> None:
    recipe["optimiser"] = "lamb"
    recipe["schedule"]["peak"] = 2e-3


def finer(recipe: dict) -> None:
    recipe["network"]["spacing_mm"] = [4.0] * 3
    recipe["network"]["patch"] = [24, 80, 96]


def patches(scale: float, batch: int = 1):
    """Patches longer by `scale` along each axis, `batch` times as many episodes a step."""

    def scaled(sides: list[int]) -> list[int]:
        return [max(1, round(side * scale / STRIDE)) * STRIDE for side in sides]

    def change(recipe: dict) -> None:
        # Without patches of its own a recipe has the usual ones, as large as the network's, which inference goes by.
        if "patches" in recipe:
            recipe["patches"] = [scaled(sides) for sides in recipe["patches"]]
        else:
            recipe["network"]["patch"] = scaled(recipe["network"]["patch"])
        for setting in ("batch", "alike"):
            recipe[setting] = recipe.get(setting, 1) * batch

    return change


def width(factor: float):
    def change(recipe: dict) -> None:
        recipe["network"]["channels"] = [round(n * factor) for n in recipe["network"]["channels"]]

    return change


def setting(name: str, value):
    def change(recipe: dict) -> None:
        recipe[name] = value

    return change


VARIANTS = {
    "as shipped": lambda recipe: None,
    "as shipped, another seed": setting("seed", 12),
    "LAMB at 2e-3": lamb,
    "no augmentation": quiet,
    "half as wide": width(0.5),
    "half as wide again": width(1.5),
    "patches twice as large": patches(2 ** (1 / 3)),
    "patches half as long, four times as many": patches(0.5, 4),
    "deep supervision": setting("deep_supervision", 0.5),
    "contrasts always alike": setting("unlike_contrasts", 0.0),
    "contrasts mostly unlike": setting("unlike_contrasts", 0.6),
    "4 mm voxels, patches as many mm": finer,
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


def recipe_of(path: Path, change) -> dict:
    recipe = tomllib.loads(path.read_text())
    for one in recipe["map"]:
        one["files"] = [str((path.parent / file).resolve()) for file in one["files"]]
        if "names" in one:
            one["names"] = str((path.parent / one["names"]).resolve())
    recipe["validate_every"] = 0
    recipe["validation"] = 0
    change(recipe)
    return recipe


def train(arguments, recipe: dict, folder: Path) -> float:
    """Trains; the processor time, s."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(toml(recipe))
    command = [arguments.program, "train", "--config", folder / "recipe.toml", "--out", folder]
    return used(command + ["--device", arguments.device])


def by_processor_time(arguments, recipe: dict, folder: Path) -> float:
    """Trains as many steps as so many processor minutes allow; the minutes they took."""
    recipe["schedule"] |= {"warm_up": 50, "steps": PROBE}
    recipe["threads"] = 1
    # What starting costs is no step's: two lengths tell them apart.
    costs = []
    for steps in (10, PROBE):
        shorter = copy.deepcopy(recipe)
        shorter["schedule"]["steps"] = steps
        costs.append(train(arguments, shorter, folder / f"probe-{steps}"))
    a_step = (costs[1] - costs[0]) / (PROBE - 10)
    recipe["schedule"]["steps"] = max(PROBE, int(arguments.minutes * 60 / a_step))
    return train(arguments, recipe, folder) / 60


def by_the_clock(arguments, recipe: dict, folder: Path) -> float:
    """Trains for so many minutes; the minutes it took, start and end included."""
    recipe["schedule"] |= {"steps": 10**9, "minutes": arguments.minutes}
    recipe["threads"] = os.cpu_count() - 1
    before = time.monotonic()
    train(arguments, recipe, folder)
    return (time.monotonic() - before) / 60


def measure(arguments, name: str) -> dict:
    folder = arguments.out / name.replace(" ", "-").replace(",", "")
    # A measurement that was cut off begins anew: what its first part cost is not known.
    shutil.rmtree(folder, ignore_errors=True)
    recipe = recipe_of(arguments.recipe, VARIANTS[name])
    trained = by_processor_time if arguments.device == "cpu" else by_the_clock
    minutes = trained(arguments, recipe, folder)
    weights = folder / "weights.safetensors"
    steps = int(metadata(weights)["steps"])
    return {
        "variant": name,
        "folder": str(folder),
        "steps": steps,
        "episodes": steps * recipe.get("batch", 1),
        "minutes": minutes,
        "weights": sum(tensor_sizes(weights).values()),
    }


def dices(arguments, result: dict) -> list[float]:
    """The mean Dice of each torso."""
    folder = Path(result["folder"])
    report = folder / "evaluation.json"
    command = [arguments.program, "evaluate", "--weights", folder / "weights.safetensors"]
    command += ["--phantoms", str(CASES), "--first", str(FIRST), "--references", "1", "--method", "one-shot"]
    used(command + ["--json", report, "--device", arguments.device])
    cases = json.loads(report.read_text())["phantoms"]["cases"]
    of_case = [[s["methods"]["one-shot"]["dice"] for s in case["segments"]] for case in cases]
    return [float(numpy.mean(of_segments)) for of_segments in of_case]


def header(weights: Path) -> dict:
    """What a safetensors file says of its tensors, and of itself."""
    with open(weights, "rb") as file:
        return json.loads(file.read(int.from_bytes(file.read(8), "little")))


def metadata(weights: Path) -> dict:
    return header(weights)["__metadata__"]


def tensor_sizes(weights: Path) -> dict:
    """Numbers of each tensor of a safetensors file."""
    tensors = {name: tensor for name, tensor in header(weights).items() if name != "__metadata__"}
    return {name: int(numpy.prod(tensor["shape"])) for name, tensor in tensors.items()}


def interval(differences: numpy.ndarray) -> tuple[float, float]:
    """Bootstrap 95 % interval of the mean."""
    random = numpy.random.default_rng(1)
    means = random.choice(differences, (4000, len(differences))).mean(axis=1)
    return tuple(numpy.percentile(means, [2.5, 97.5]))


def table(results: list[dict]) -> str:
    first = numpy.array(results[0]["dice"])
    lines = ["| variant | weights | steps | episodes | Dice | against the first |", "|---|---|---|---|---|---|"]
    for result in results:
        dice = numpy.array(result["dice"])
        low, high = interval(dice - first)
        change = f"{(dice - first).mean():+.3f} ({low:+.3f} to {high:+.3f})"
        if result is results[0]:
            change = ""
        size = f"{result['weights'] / 1e6:.1f} M"
        counts = f"{result['steps']:,} | {result['episodes']:,}"
        lines.append(f"| {result['variant']} | {size} | {counts} | {dice.mean():.3f} | {change} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="of each variant's training; of a processor's time on a CPU")
    parser.add_argument("--device", choices=list(RECIPES), default="cpu")
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=ROOT / "target/ablation")
    parser.add_argument("--program", type=Path, default=PROGRAM)
    parser.add_argument("--recipe", type=Path, help="what variants are variants of, where not the shipped weights' recipe")
    arguments = parser.parse_args()
    arguments.recipe = arguments.recipe or RECIPES[arguments.device]
    arguments.out.mkdir(parents=True, exist_ok=True)
    kept = arguments.out / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else []
    for name in arguments.only:
        if name in [result["variant"] for result in results]:
            continue
        results.append(measure(arguments, name))
        kept.write_text(json.dumps(results, indent=1))
    missing = [result for result in results if "dice" not in result]
    # Drawing the torsos is what takes the time beside a card.
    with ThreadPoolExecutor(1 if arguments.device == "cpu" else 4) as pool:
        for result, dice in zip(missing, pool.map(lambda result: dices(arguments, result), missing)):
            result["dice"] = dice
    kept.write_text(json.dumps(results, indent=1))
    print(table(results))
    unit = "processor minutes" if arguments.device == "cpu" else "minutes"
    print(f"\n{arguments.minutes:g} {unit} each, {CASES} torsos, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
