"""What a unit with little past of its own learns from its account and from the whole estate."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.baseline.calendar import SLOTS, hour_of_week, slot_of
from exporter.baseline.parameters import Parameters
from exporter.baseline.past import SPAN, Past

_Unit = tuple[str, str]
_HALF_VOICE = 10.0
"""The changes with which a unit has half the voice that it could have: a busy one must not speak for all."""


@dataclass(frozen=True, slots=True)
class Usual:
    """Changes per hour in each of the last three hours (the present one is last), and how many further changes come with one."""

    rates: tuple[float, ...]
    burst: float


@dataclass(frozen=True, slots=True)
class Pool:
    """One class of channels over the whole estate."""

    shape: Sequence[float]
    rate: float
    burst: float
    shapes: Mapping[str, Sequence[float]]
    rates: Mapping[str, float]
    parameters: Parameters

    @classmethod
    def of(cls, pasts: Mapping[_Unit, Past], parameters: Parameters) -> Pool:
        """Return what the units of a class have in common; with none, or no changes at all, what is taken for granted."""
        flat = (1.0,) * SLOTS
        shape = _shape(pasts.values(), flat, parameters.shape_strength)
        by_account: dict[str, list[Past]] = {}
        for (account_id, _), past in pasts.items():
            by_account.setdefault(account_id, []).append(past)
        shapes = {account_id: _shape(members, shape, parameters.shape_strength) for account_id, members in by_account.items()}
        rate = _rate(pasts.values(), shape, parameters.prior_rate, parameters.rate_strength)
        rates = {account_id: _rate(members, shape, rate, parameters.rate_strength) for account_id, members in by_account.items()}
        return cls(shape, rate, _burst(pasts.values(), parameters), shapes, rates, parameters)

    def usual(self, unit: _Unit, past: Past) -> Usual:
        """Return what is usual for one unit now: its own past, as far as that goes, and what it shares with the others."""
        parameters, watch = self.parameters, past.watch
        rate = _rate([past], self.shape, self.rates.get(unit[0], self.rate), parameters.rate_strength)
        shape = self.shapes.get(unit[0], self.shape)
        rates, excess, changes = [], 0.0, 0.0
        for place in range(SPAN):
            prior = rate * shape[watch.slots_now[place]]
            kind = (past.kind[place] + parameters.slot_strength * prior) / (watch.kind[place] + parameters.slot_strength)
            week = (past.week[place] + parameters.week_strength * kind) / (watch.week[place] + parameters.week_strength)
            rates.append(max(week, parameters.least_rate))
            more, many = _excess(past, place)
            excess += more
            changes += many
        burst = (excess + parameters.burst_strength * self.burst) / (changes + parameters.burst_strength)
        return Usual(tuple(rates), burst)

    def by_hour(self, unit: _Unit, past: Past, hours: Iterable[int]) -> list[float]:
        """Return what is usual for one unit in each of these hours, by the hour of the week alone."""
        strength, shape = self.parameters.week_strength, self.shapes.get(unit[0], self.shape)
        rate = _rate([past], self.shape, self.rates.get(unit[0], self.rate), self.parameters.rate_strength)
        rates = []
        for week_hour in map(hour_of_week, hours):
            prior = rate * shape[slot_of(week_hour)]
            usual = (past.by_week[week_hour] + strength * prior) / (past.watch.by_week[week_hour] + strength)
            rates.append(max(usual, self.parameters.least_rate))
        return rates


def _shape(pasts: Collection[Past], prior: Sequence[float], strength: float) -> list[float]:
    """Return how busy each slot is beside a flat day, where units that differ in size have much the same voice."""
    brought, flat = [0.0] * SLOTS, [0.0] * SLOTS
    for past in pasts:
        if past.total <= 0:
            continue
        voice = past.total / (past.total + _HALF_VOICE)
        scale = voice * past.watch.total / past.total
        for slot, (count, hours) in enumerate(zip(past.slots, past.watch.by_slot, strict=True)):
            brought[slot] += scale * count
            flat[slot] += voice * hours
    return [(brought[slot] + strength * prior[slot]) / (flat[slot] + strength) for slot in range(SLOTS)]


def _rate(pasts: Collection[Past], shape: Sequence[float], prior: float, strength: float) -> float:
    """Return changes per hour of a flat day; hours at which little is done count as little watch."""
    brought = watched = 0.0
    for past in pasts:
        brought += past.total
        watched += sum([hours * share for hours, share in zip(past.watch.by_slot, shape, strict=True)])
    return (brought + strength * prior) / (watched + strength)


def _burst(pasts: Collection[Past], parameters: Parameters) -> float:
    """Return how many further changes come with one over the whole estate, where each unit has much the same voice."""
    excess = changes = 0.0
    for past in pasts:
        told = [_excess(past, place) for place in range(SPAN)]
        many = sum(changes for _, changes in told)
        voice = 1.0 / (many + _HALF_VOICE)
        excess += voice * sum(more for more, _ in told)
        changes += voice * many
    return (excess + parameters.prior_burst) / (changes + 1.0)


def _excess(past: Past, place: int) -> tuple[float, float]:
    """Return by how much the counts of an hour of the day vary more than those of a Poisson process would, and their sum."""
    changes, hours = past.kind[place], past.watch.kind[place]
    if changes <= 0 or hours <= 0:
        return 0.0, 0.0
    return max(0.0, past.squares[place] - changes * changes / hours - changes), changes
