"""LAMB and AdamW as their papers write them, in NumPy double precision: the judge of ours.

usage: optimiser_oracle.py GIVEN.safetensors FOUND.safetensors

GIVEN holds `weight.N` and, for each step S, `gradient.N.S`; FOUND gets
`RULE.N.S`, the weight after each step.
"""

import sys

import numpy as np
from safetensors.numpy import load_file, save_file

RATE, DECAY, CLIP, BETA1, EPSILON = 2e-2, 1e-2, 1.0, 0.9, 1e-8


def clipped(gradients):
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    return [g * min(1.0, CLIP / norm) for g in gradients]


def adam_direction(m, v, beta2, t):
    return (m / (1 - BETA1**t)) / (np.sqrt(v / (1 - beta2**t)) + EPSILON)


def lamb(x, m, v, t):
    """You et al., 2020, algorithm 2, with φ the identity."""
    update = adam_direction(m, v, 0.999, t) + DECAY * x
    size, length = np.linalg.norm(x), np.linalg.norm(update)
    ratio = size / length if size > 0 and length > 0 else 1.0
    return x - RATE * ratio * update


def adamw(x, m, v, t):
    """Loshchilov & Hutter, 2019, algorithm 2."""
    return x - RATE * (adam_direction(m, v, 0.99, t) + DECAY * x)


def run(rule, beta2, weights, steps):
    weights = [w.astype(float) for w in weights]
    first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    for t, gradients in enumerate(steps, 1):
        for n, g in enumerate(clipped([g.astype(float) for g in gradients])):
            first[n] = BETA1 * first[n] + (1 - BETA1) * g
            second[n] = beta2 * second[n] + (1 - beta2) * g * g
            weights[n] = rule(weights[n], first[n], second[n], t)
        yield weights[:]


def main(given, found):
    given = load_file(given)
    weights = [given[f"weight.{n}"] for n in range(sum(k.startswith("weight.") for k in given))]
    count = sum(k.startswith("gradient.0.") for k in given)
    steps = [[given[f"gradient.{n}.{s}"] for n in range(len(weights))] for s in range(count)]
    out = {}
    for name, rule, beta2 in (("lamb", lamb, 0.999), ("adamw", adamw, 0.99)):
        for s, state in enumerate(run(rule, beta2, weights, steps)):
            out |= {f"{name}.{n}.{s}": np.float32(w) for n, w in enumerate(state)}
    save_file(out, found)


if __name__ == "__main__":
    main(*sys.argv[1:])
