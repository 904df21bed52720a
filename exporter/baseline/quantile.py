"""The quantile of a negative binomial, by the mean and by how many further changes come with one."""

from __future__ import annotations

from math import exp, log, log1p

_LEAST_LOG = -600.0
"""Below it the probability of no change at all is no number any more."""
_MOST_STEPS = 5_000
_HALVINGS = 60
_POISSON = 1e-6


def upper_quantile(mean: float, burst: float, tail: float) -> float:
    """Return the least count that is passed with at most the probability `tail`, where the variance is (1 + burst) * mean.

    Large counts are bounded by Chernoff's inequality, which is a little higher.
    """
    if mean <= 0:
        return 0.0
    burst = max(burst, _POISSON)
    shape = mean / burst
    first = -shape * log1p(burst)
    if first < _LEAST_LOG or mean > _MOST_STEPS / 10:
        return _chernoff(mean, shape, tail)
    ratio = burst / (1.0 + burst)
    term = exp(first)
    left = 1.0 - term
    count = 0
    while left > tail:
        term *= (count + shape) / (count + 1) * ratio
        count += 1
        left -= term
        if count >= _MOST_STEPS:
            return _chernoff(mean, shape, tail)
    return float(count)


def _chernoff(mean: float, shape: float, tail: float) -> float:
    """Return the count of which Chernoff's bound of the tail is `tail`."""
    wanted = -log(tail)

    def exponent(count: float) -> float:
        return count * log(count / mean) - (count + shape) * log((count + shape) / (mean + shape))

    low, high = mean, 2.0 * mean + 1.0
    while exponent(high) < wanted:
        low, high = high, 2.0 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if exponent(middle) < wanted:
            low = middle
        else:
            high = middle
    return high
