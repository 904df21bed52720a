"""The quantile of the negative binomial, against sums of its probabilities."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.baseline.quantile import upper_quantile


def passed(count: float, mean: float, burst: float) -> float:
    """Return how likely it is that a negative binomial count is greater."""
    shape, ratio = mean / burst, burst / (1 + burst)
    logs = [
        math.lgamma(k + shape) - math.lgamma(shape) - math.lgamma(k + 1) - shape * math.log1p(burst) + k * math.log(ratio)
        for k in range(int(count) + 1, int(count) + 4000)
    ]
    return math.fsum(math.exp(value) for value in logs)


@pytest.mark.parametrize("mean", [0.001, 0.2, 3.0, 40.0, 450.0])
@pytest.mark.parametrize("burst", [0.2, 4.0, 30.0])
@pytest.mark.parametrize("tail", [1e-3, 1e-5])
def test_the_quantile_is_the_least_count_that_is_passed_as_rarely(mean: float, burst: float, tail: float) -> None:
    """A bound that is one lower pages ten times as often as the docs say."""
    got = upper_quantile(mean, burst, tail)
    assert passed(got, mean, burst) <= tail * (1 + 1e-6)
    if got > 0 and got == int(got):
        assert passed(got - 1, mean, burst) > tail * (1 - 1e-6)


def test_large_means_are_bounded_from_above_and_not_far() -> None:
    """An account with ten thousand changes an hour would take seconds, or get infinity."""
    for mean, burst in ((600.0, 3.0), (10_000.0, 5.0), (1e6, 100.0)):
        got = upper_quantile(mean, burst, 1e-5)
        deviation = math.sqrt(mean * (1 + burst))
        assert mean + 4 * deviation < got < mean + 7 * deviation
        assert passed(got, 600.0, 3.0) <= 1e-5 or mean > 600


@given(mean=st.floats(1e-6, 400), more=st.floats(1, 3), burst=st.floats(0, 50), tail=st.sampled_from((1e-6, 1e-4, 1e-2)))
def test_more_is_never_bounded_lower(mean: float, more: float, burst: float, tail: float) -> None:
    """The busier of two accounts must have the higher bound, and the rarer page too."""
    got = upper_quantile(mean, burst, tail)
    assert upper_quantile(mean * more, burst, tail) >= got
    assert upper_quantile(mean, burst, tail / 10) >= got
    assert math.isfinite(got)


def test_nothing_is_expected_of_nothing() -> None:
    """A division by zero would end the refresh."""
    assert upper_quantile(0.0, 4.0, 1e-5) == 0.0
