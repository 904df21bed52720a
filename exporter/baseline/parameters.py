"""What the model takes for granted; docs/anomalous-rate.md says where each figure comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameters:
    """The constants of the model. Strengths of priors are in hours of observation, or in changes where they say so."""

    history_hours: int = 90 * 24
    """Hours before these are not looked at."""
    half_life_weeks: float = 4.0
    """An hour counts half as much as one that is this much younger, so that an account may grow."""
    habit_days: int = 3
    """What happened on so many different days is a habit; what happened on fewer is taken for an incident."""
    settling_hours: int = 24
    """What happened in the last so many hours is not learned from yet: an incident must not make its own next hour usual."""
    least_habit: float = 2.0
    """So many changes in an hour are never taken for an incident."""
    young_days: int = 14
    """A unit that was watched for fewer days than that is trusted with the habit that is usual in the estate."""
    rate_strength: float = 24.0
    """How many hours of its own outweigh what the account says of a unit's rate; the same for an account and the estate."""
    shape_strength: float = 12.0
    """How many usual hours outweigh a flat day in the shape of the estate, and that of the estate in the shape of an account."""
    slot_strength: float = 4.0
    """How many days outweigh the shape of the account in a unit's hour of the day."""
    week_strength: float = 3.0
    """How many weeks outweigh the hour of the day in a unit's hour of the week."""
    burst_strength: float = 20.0
    """How many changes of a unit's own outweigh what the estate says of how many come together."""
    least_rate: float = 0.5 / (90 * 24)
    """Changes per hour of whatever was never seen: half a change in 90 days, because no past proves that an hour stays empty."""
    tail: float = 1e-5
    """How likely a usual window may pass the bound."""
    margin: float = 1.5
    """The bound is at least so many times the habit of that part of the day."""
    ceiling: float = 3.0
    """The bound is at most so many times the habit, or the least ceiling: the distribution's tail is longer than that of real bursts."""
    least_ceiling: float = 15.0
    """The bound of a unit that has no habit at all is at most this at an hour of work,"""
    idle_ceiling: float = 11.0
    """and this where nobody works."""
    peak_units: int = 3
    """What so many units are used to at some time of the day is what any of them may do where work is usual."""
    peak_margin: float = 2.5
    """The bound is then at least so many times that."""
    working_days: int = 2
    """At an hour of work people did something on at least so many days,"""
    working_share: float = 0.25
    """and on at least this share of the days of the hour at which they do most often;"""
    idle_share: float = 0.15
    """up to this share nobody works then, and between both shares somebody does at times."""
    young_rate: float = 0.15
    """Changes per hour from which on an hour of a young unit, whose hours are not known, is one of work: one in seven hours."""
    prior_rate: float = 0.02
    """Changes per hour of a unit of which nothing is known, in an estate of which nothing is known: one in two days."""
    prior_burst: float = 4.0
    """How many further changes come with one, before anything is known: the variance is 1 + this times the mean."""


DEFAULT = Parameters()
