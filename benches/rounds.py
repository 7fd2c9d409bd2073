"""Rounds, medians and tables: how every figure here is measured and shown.

The machine is noisy, so nothing is measured alone: in each round every
contestant runs once, one after the other, and what counts is the ratio within
the round. Who begins changes from round to round.
"""

import statistics
import sys


def interleave(contestants, rounds):
    """Runs each contestant (name → function that gives seconds) once a round; name → list of seconds.

    Says each at once: a part takes many minutes, and what was measured should outlive one that does not end.
    """
    names = list(contestants)
    taken = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(contestants[name]())
            print(f"round {number + 1} of {rounds}, {name}: {taken[name][-1]}", file=sys.stderr, flush=True)
    return taken


def spread(values):
    """Median, least and greatest."""
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values)}


def times_as_fast(peer, ours):
    """How many times as fast as the peer we are, round by round: 2 means half its time."""
    return spread([theirs / mine for theirs, mine in zip(peer, ours, strict=True)])


def seconds(values):
    """`1.23 s (1.20–1.40)`."""
    s = spread(values)
    return f"{digits(s['median'])} s ({digits(s['least'])}–{digits(s['greatest'])})"


def ratio(found):
    """`2.1× (1.9–2.3)`."""
    return f"{digits(found['median'])}× ({digits(found['least'])}–{digits(found['greatest'])})"


def digits(value):
    """Three digits that count."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def table(heading, rows):
    """A Markdown table, its columns aligned for reading as it is."""
    cells = [heading, *rows]
    widths = [max(len(str(row[column])) for row in cells) for column in range(len(heading))]
    lines = ["| " + " | ".join(str(c).ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)
