"""Draws that are the same in every Python: whole numbers from a seeded stream."""

from __future__ import annotations

import math
from random import Random


def stream(*names: object) -> Random:
    """Return a stream of its own for a purpose, so that one more draw here moves nothing there."""
    return Random("/".join(map(str, names)))


def poisson(rng: Random, mean: float) -> int:
    """Return how many come where `mean` come on average."""
    count, left = 0, mean
    while left > 0:
        # In steps, because exp(-mean) of a large mean is 0.
        step = min(left, 50.0)
        left -= step
        limit, product = math.exp(-step), rng.random()
        while product > limit:
            count += 1
            product *= rng.random()
    return count


def geometric(rng: Random, mean: float) -> int:
    """Return a count of 1 or more with that mean, mostly small."""
    return 1 + int(math.log(1.0 - rng.random()) / math.log(1.0 - 1.0 / mean)) if mean > 1 else 1


def log_uniform(rng: Random, low: float, high: float) -> int:
    """Return a whole number between two others, as likely between 10 and 20 as between 20 and 40."""
    return min(int(high), int(math.exp(rng.uniform(math.log(low), math.log(high + 1)))))
