"""When people work in a unit, and what the bound of their tools makes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from exporter.baseline import Estate, fit
from exporter.baseline.calendar import HOURS, hour_of_week, slot_of
from exporter.baseline.parameters import DEFAULT
from exporter.baseline.work import hours_of_work
from tests.baseline_past import AT, DAY, FIRST, NOW, WEEK, is_office, key, office

NIGHT = AT - timedelta(hours=11)


def slots(people: dict[int, int]) -> list[float]:
    return list(hours_of_work(people, FIRST, NOW, DEFAULT))


def roll_outs(every: int, size: int) -> dict[int, int]:
    """Return roll-outs of a pipeline at office hours, one each so many hours of them."""
    hours = [hour for hour in range(FIRST, NOW) if is_office(hour)]
    return dict.fromkeys(hours[::every], size)


def test_work_is_when_people_change_things_on_many_days() -> None:
    """Everything else that the bound grants by day it would grant by night."""
    got = slots(office(1))
    assert [got[hour] for hour in (10, 12, 15)] == [1.0, 1.0, 1.0]
    assert [got[hour] for hour in (0, 2, 22)] == [0.0, 0.0, 0.0]


def test_one_long_night_makes_no_hour_of_work() -> None:
    """An intruder's night would open the next one."""
    people = office(1)
    night = {NOW - 9 * DAY - 13 + shift: 400 for shift in range(4)}
    assert slots({**people, **night}) == slots(people)


def test_a_quiet_unit_has_its_hours_too() -> None:
    """Where people change something once in two weeks, their roll-outs would page each time."""
    people = {NOW - WEEK * week: 1 for week in range(1, 7)}
    got = slots(people)
    assert got[slot_of(hour_of_week(NOW))] == 1.0
    assert got[(slot_of(hour_of_week(NOW)) + 10) % HOURS] == 0.0


def test_where_nobody_ever_worked_no_hour_is_one_of_work() -> None:
    """A region that nobody uses would grant an intruder what the busiest deploys of the estate bring."""
    assert slots({}) == [0.0] * 48


def test_what_happened_today_does_not_open_the_day() -> None:
    """Somebody who begins at three would make three o'clock usual."""
    people = {NOW - shift: 5 for shift in range(1, 20)}
    assert slots(people) == [0.0] * 48


def test_weekends_have_hours_of_their_own() -> None:
    """A Sunday night would pass for a Monday's."""
    got = slots({hour: 1 for hour in office(1) if hour_of_week(hour) < 120})
    assert max(got[:HOURS]) == 1.0
    # One and two hours from a working day belong to it.
    assert max(got[HOURS + 2 : -2]) == 0.0


def test_a_first_large_roll_out_is_usual_by_day_and_not_by_night() -> None:
    """The first roll-out of a quiet unit would page, or a burst by somebody who calls himself a pipeline would not."""
    counts = {}
    for number in range(6):
        counts[key(number)] = office(number)
        counts[key(number, "automation")] = roll_outs(40, 50) if number < 4 else {}
    quiet = key(5, "automation")
    day, night = fit(counts, counts, FIRST, AT)[quiet], fit(counts, counts, FIRST - 11, NIGHT)[quiet]
    assert day.upper == pytest.approx(50 * DEFAULT.peak_margin)
    assert night.upper <= DEFAULT.idle_ceiling


def test_controllers_that_work_all_night_make_no_night_one_of_work() -> None:
    """Steady changes at night, one at a time, would hide a burst among them."""
    counts = {}
    for number in range(6):
        counts[key(number)] = office(number)
        counts[key(number, "automation")] = {**dict.fromkeys(range(FIRST, NOW), 1), **roll_outs(40, 50)}
    assert fit(counts, counts, FIRST - 11, NIGHT)[key(0, "automation")].upper <= 12
    assert fit(counts, counts, FIRST, AT)[key(0, "automation")].upper >= 50


def test_a_stretch_that_held_hours_of_work_is_judged_by_them() -> None:
    """A day of roll-outs that an outage brings in the evening would page."""
    counts = {}
    for number in range(6):
        counts[key(number)] = office(number, end=NOW + 8)
        counts[key(number, "automation")] = roll_outs(40, 50)
    evening = AT + timedelta(hours=8)
    estate = Estate.of(counts, counts, FIRST, evening)
    name = key(0, "automation")
    assert estate.expect(name).upper < 60
    assert estate.expect_since(name, NOW - 2, 200).upper >= 50 * DEFAULT.peak_margin
