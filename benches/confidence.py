"""Dice against confidence: reads what `irisnode evaluate --json` wrote, draws a point for each segment and says
how well the two go together (Spearman's rank correlation).

    irisnode evaluate --phantoms 20 --json evaluation.json
    .deps/venv/bin/python benches/confidence.py evaluation.json confidence.png
"""

import argparse
import json
from pathlib import Path

import numpy
from PIL import Image, ImageDraw

SIZE, MARGIN = 640, 60
# Drawn bodies and real pairs.
COLORS = {"phantoms": (60, 110, 190), "pairs": (210, 90, 40)}


def points(document: dict, part: str) -> numpy.ndarray:
    """`[n, 2]`: confidence and Dice, one-shot, of each segment that its query has."""
    cases = document.get(part, {}).get("cases", [])
    found = [s["methods"]["one-shot"] for case in cases for s in case["segments"]]
    pairs = [(f["confidence"], f["dice"]) for f in found]
    return numpy.array(pairs, dtype=float).reshape(-1, 2)


def ranks(values: numpy.ndarray) -> numpy.ndarray:
    """Ranks from 0; equal values share the mean of theirs."""
    order = numpy.sort(values)
    first = numpy.searchsorted(order, values, side="left")
    last = numpy.searchsorted(order, values, side="right")
    return (first + last - 1) / 2


def spearman(of: numpy.ndarray) -> float:
    """Rank correlation of the two columns."""
    return float(numpy.corrcoef(ranks(of[:, 0]), ranks(of[:, 1]))[0, 1])


def draw(parts: dict[str, numpy.ndarray], path: Path) -> None:
    """Confidence to the right, Dice upwards, both from 0 to 1."""
    image = Image.new("RGB", (SIZE, SIZE), "white")
    pen = ImageDraw.Draw(image)
    length = SIZE - 2 * MARGIN

    def at(confidence: float, dice: float) -> tuple[float, float]:
        return MARGIN + confidence * length, SIZE - MARGIN - dice * length

    pen.rectangle([at(0, 1), at(1, 0)], outline="black")
    for tick in numpy.linspace(0, 1, 6):
        x, y = at(tick, tick)
        pen.line([(x, SIZE - MARGIN), (x, SIZE - MARGIN + 5)], fill="black")
        pen.text((x - 8, SIZE - MARGIN + 8), f"{tick:.1f}", fill="black")
        pen.line([(MARGIN - 5, y), (MARGIN, y)], fill="black")
        pen.text((MARGIN - 28, y - 6), f"{tick:.1f}", fill="black")
    pen.line([at(0, 0), at(1, 1)], fill=(200, 200, 200))
    pen.text((SIZE // 2 - 30, SIZE - 25), "confidence", fill="black")
    pen.text((10, MARGIN - 25), "Dice", fill="black")
    for row, (part, of) in enumerate(parts.items()):
        for confidence, dice in of:
            x, y = at(confidence, dice)
            pen.ellipse([x - 3, y - 3, x + 3, y + 3], fill=COLORS[part])
        text = f"{part}: n = {len(of)}, Spearman {spearman(of):.2f}"
        pen.text((MARGIN + 10, MARGIN + 10 + 15 * row), text, fill=COLORS[part])
    image.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("evaluation", type=Path, help="what `irisnode evaluate --json` wrote")
    parser.add_argument("picture", type=Path, help="the PNG to draw")
    arguments = parser.parse_args()
    document = json.loads(arguments.evaluation.read_text())
    parts = {part: points(document, part) for part in COLORS}
    parts = {part: of for part, of in parts.items() if len(of) > 2}
    for part, of in parts.items():
        print(f"{part}: {len(of)} segments, Spearman {spearman(of):.3f}")
        for low in numpy.arange(0, 1, 0.2):
            inside = of[(of[:, 0] >= low) & (of[:, 0] < low + 0.2), 1]
            if len(inside):
                tenth = numpy.percentile(inside, 10)
                print(
                    f"  confidence {low:.1f}-{low + 0.2:.1f}: n = {len(inside)}, "
                    f"Dice {inside.mean():.2f}, worst tenth below {tenth:.2f}"
                )
    draw(parts, arguments.picture)
    print(f"wrote {arguments.picture}")


if __name__ == "__main__":
    main()
