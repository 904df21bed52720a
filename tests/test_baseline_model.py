"""What an hour of the week usually brings, and what it never does: the model against pasts whose truth is known."""

from __future__ import annotations

import math
import random
import time
from datetime import timedelta
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.baseline import CHANNEL_CLASSES, Estate, Key, class_of, fit
from exporter.model import Channel
from tests.baseline_past import AT, DAY, FIRST, HISTORY, NOW, WEEK, estate, is_office, key, office, scaled

KEY = key()
NIGHT = AT - timedelta(hours=11)
"""Half past three on the same Wednesday."""


def test_an_estate_without_any_past_has_a_bound() -> None:
    """On the very first day there would be no bound, and the rule nothing to compare with."""
    got = fit({}, [KEY], NOW, AT)[KEY]
    assert 0 < got.expected < 0.1
    assert 5 <= got.upper <= 20


def test_office_hours_expect_what_office_hours_brought_and_nights_far_less() -> None:
    """One bound for day and night is either a false page each noon or blind at night."""
    counts = estate()
    day, night = fit(counts, counts, FIRST, AT), fit(counts, counts, FIRST - 11, NIGHT)
    true = mean([hours.get(NOW - WEEK * week, 0) for hours in counts.values() for week in range(1, 13)])
    assert mean([got.expected for got in day.values()]) == pytest.approx(true, rel=0.3)
    assert mean([got.expected for got in night.values()]) < 0.2 * true
    assert mean([got.upper for got in night.values()]) < 0.75 * mean([got.upper for got in day.values()])


def test_a_bound_is_passed_by_hardly_any_usual_hour() -> None:
    """A bound that usual work passes pages people for nothing, and they stop looking."""
    counts = {key(number): office(number, rate=(0.1, 0.5, 0.9)[number % 3], end=NOW + 2 * WEEK) for number in range(12)}
    passed = hours = 0
    for hour in range(NOW, NOW + 2 * WEEK, 5):
        got = fit(counts, counts, FIRST, AT + timedelta(hours=hour - NOW))
        for name, expectation in got.items():
            hours += 1
            passed += counts[name].get(hour, 0) > expectation.upper
    assert hours > 800
    assert passed == 0


def test_an_hour_that_is_not_over_says_nothing() -> None:
    """The burst at hand would raise the bound that is to catch it."""
    counts = estate()
    burst = {**counts, KEY: {**counts[KEY], NOW: 500}}
    assert fit(burst, [*burst], FIRST, AT) == fit(counts, [*counts], FIRST, AT)


@pytest.mark.parametrize("late", [0, 5])
def test_an_hour_that_is_not_over_makes_no_pair_with_the_one_before(late: int) -> None:
    """On the third day of such a habit a restart in the middle of a burst would raise the bound over that very burst."""
    twice = {NOW - DAY * days - before: 50 for days in (1, 2) for before in (0, 1)}
    quiet = {KEY: {**twice, NOW - 1: 1}}
    burst = {KEY: {**quiet[KEY], NOW: 95}}
    expected, got = (Estate.of(counts, [KEY], FIRST, AT).expect_since(KEY, NOW - late, late) for counts in (quiet, burst))
    assert got == expected
    assert got.upper < 40


@pytest.mark.parametrize("hours_ago", [1, 2, DAY, WEEK, 5 * WEEK + 1])
def test_one_incident_does_not_raise_the_bound_to_its_own_size(hours_ago: int) -> None:
    """Whoever tried once would be usual the second time."""
    counts = estate()
    before = fit(counts, [*counts], FIRST, AT)[KEY]
    after = fit({**counts, KEY: {**counts[KEY], NOW - hours_ago: 300}}, [*counts], FIRST, AT)[KEY]
    assert after.upper <= 1.25 * before.upper + 2 < 100


def test_an_incident_of_hours_over_midnight_is_one_incident() -> None:
    """Two days are not yet a habit, or every night-time incident would be one."""
    counts = estate()
    midnight = NOW - NOW % DAY - 3 * DAY
    incident = dict.fromkeys(range(midnight - 3, midnight + 4), 200)
    at = AT - timedelta(hours=14)
    before = fit(counts, [*counts], FIRST, at)[KEY]
    after = fit({**counts, KEY: {**counts[KEY], **incident}}, [*counts], FIRST, at)[KEY]
    assert after.upper <= 1.25 * before.upper + 2


def test_a_week_of_deploys_is_usual_from_its_fourth_day_on() -> None:
    """A migration that takes two weeks would page every day of it."""
    counts = estate()
    thursday = AT + DAY * timedelta(hours=1)
    storm = {NOW - day * DAY + hour: 80 for day in range(3) for hour in range(-4, 2)}
    got = fit({**counts, KEY: {**counts[KEY], **storm}}, [*counts], FIRST, thursday)
    assert got[KEY].upper >= 80
    assert got[key(1)].upper < 60  # and of no concern to the others


def test_a_nightly_job_is_usual_at_its_hour_alone() -> None:
    """A job of forty changes at two would page each night, or let forty changes pass at noon in an account where nobody works."""
    job = {hour: 40 for hour in range(FIRST, NOW) if hour % DAY == 2}
    counts = {**estate(), KEY: job}
    at_two = fit(counts, counts, FIRST, AT.replace(hour=2))[KEY]
    late = fit(counts, counts, FIRST, AT.replace(hour=4))[KEY]  # counted at three, and in the window until four
    noon = fit(counts, counts, FIRST, AT.replace(hour=12))[KEY]
    assert at_two.upper > 40
    assert late.upper > 40
    assert noon.upper < 25
    # Daylight saving: from the next Sunday on it runs at one or at three, and its changes are counted minutes later.
    for hour in (1, 2, 3, 4):
        assert fit(counts, counts, FIRST, AT.replace(hour=hour))[KEY].upper > 40


@pytest.mark.parametrize("shift", [-1, 1])
def test_office_hours_that_move_with_daylight_saving_pass_no_bound(shift: int) -> None:
    """Twice a year every account would page for a week, for an hour each morning or evening."""
    counts = {key(number): office(number) for number in range(12)}
    passed = 0
    for name in counts:
        moved = office(100 + int(name[0][-3:]) + len(name[1]), first=NOW, end=NOW + WEEK, shift=shift)
        for hour, count in moved.items():
            if is_office(hour) is not is_office(hour, shift):
                passed += count > fit(counts, [name], FIRST, AT + timedelta(hours=hour - NOW))[name].upper
    assert passed == 0


def test_a_growing_account_is_expected_to_do_what_it_does_lately() -> None:
    """The mean of 90 days lags an account that doubled twice, and each of its days would pass the bound."""
    counts = estate()
    grown = {hour: count * (1 + 3 * (hour >= NOW - 30 * DAY)) for hour, count in counts[KEY].items()}
    lately = mean([grown.get(NOW - week * WEEK - hour, 0) for week in range(1, 4) for hour in range(-2, 3)])
    got = fit({**counts, KEY: grown}, [*counts], FIRST, AT)[KEY]
    assert got.expected > 0.5 * lately
    assert got.upper > max(count for hour, count in grown.items() if hour > NOW - 2 * WEEK and is_office(hour)) * 0.8


def test_the_first_event_ever_of_a_quiet_unit_does_not_page_but_a_burst_does() -> None:
    """A plain deviation from the mean fires on the first change ever."""
    counts = estate()
    quiet = key(50)
    got = fit(counts, [*counts, quiet], FIRST, NIGHT)[quiet]
    assert got.expected < 0.1
    assert 2 < got.upper <= 15


def test_a_unit_watched_for_three_days_is_granted_what_is_usual_in_the_estate() -> None:
    """A region taken into use on Monday would page on Tuesday; one that is silent for 90 days must not be granted the same."""
    counts = estate()
    new, quiet = key(40), key(41)
    first_hours = {name[:2]: FIRST for name in counts} | {new[:2]: NOW - 3 * DAY, quiet[:2]: FIRST}
    got = fit({**counts, new: office(7, first=NOW - 3 * DAY)}, [*counts, new, quiet], first_hours, AT)
    usual = mean([got[name].expected for name in counts])
    assert 0.3 * usual < got[new].expected < 3 * usual
    assert got[quiet].expected < 0.2 * usual
    assert got[new].upper > max(count for hour, count in office(7).items() if hour > NOW - WEEK)
    never = fit(counts, [*counts, new], {name: hour for name, hour in first_hours.items() if name != new[:2]}, AT)[new]
    assert 0.3 * usual < never.expected < 3 * usual


def test_an_account_speaks_for_its_new_region_before_the_estate_does() -> None:
    """The new region of a busy account would be held to what quiet accounts do."""
    counts = {key(number): office(number, rate=0.9 if number < 3 else 0.02) for number in range(12)}
    first_hours = {name[:2]: FIRST for name in counts}
    of_busy, of_quiet = key(3), key(15)
    del counts[of_busy]
    del first_hours[of_busy[:2]]
    got = fit(counts, [*counts, of_busy, of_quiet], first_hours, AT)
    assert got[of_busy].expected > 2 * got[of_quiet].expected


def test_one_deafening_unit_does_not_speak_for_all() -> None:
    """One account with an autoscaler would raise the bound of every other."""
    counts = estate()
    loud = {**counts, key(60): dict.fromkeys(range(FIRST, NOW), 400)}
    before, after = fit(counts, counts, FIRST, AT), fit(loud, loud, FIRST, AT)
    for name in counts:
        assert after[name].upper <= 2 * before[name].upper + 10


def test_classes_are_compared_with_their_own_past() -> None:
    """People who do by hand what Terraform does each noon would hide behind it."""
    automation = key(0, "automation")
    counts = {**estate(), automation: {hour: 60 for hour in range(FIRST, NOW) if hour % DAY == 14}}
    got = fit(counts, counts, FIRST, AT)
    assert got[automation].upper > 60
    assert got[KEY].upper < 60


def test_every_channel_has_one_class() -> None:
    """A change of a channel without a class would be expected nowhere."""
    assert sorted(channel for channels in CHANNEL_CLASSES.values() for channel in channels) == sorted(Channel)
    assert class_of(Channel.TERRAFORM) == "automation"


def test_a_burst_that_straddles_the_hour_is_no_more_than_one_that_does_not() -> None:
    """A job that runs at five to the hour is halved in every hourly count, and whole in a window."""
    halves = {hour: 30 for hour in range(FIRST, NOW) if hour % DAY in (13, 14)}
    counts = {**estate(), KEY: halves}
    assert fit(counts, counts, FIRST, AT)[KEY].upper >= 60


def test_a_longer_window_expects_the_sum_of_its_hours_but_grants_one_burst() -> None:
    """After an outage of five hours five hours come at once; ten times an hour's bound would let an incident through."""
    counts = estate()
    got = Estate.of(counts, counts, FIRST, AT)
    short, long = got.expect(KEY), got.expect_since(KEY, NOW - 5, 1000)
    assert short.expected < long.expected < 7 * short.expected
    assert short.upper < long.upper < 3 * short.upper
    assert got.expect_since(KEY, NOW - 2, 1000) == short
    assert got.expect_since(KEY, 0, 1000) == got.expect_since(KEY, NOW - 7 * DAY, 1000)


def test_one_straggler_raises_the_bound_by_one() -> None:
    """Each event that AWS shows days late would open the bound of its account for an hour."""
    counts = estate()
    got = Estate.of(counts, counts, FIRST, AT)
    assert got.expect_since(KEY, NOW - 100, 1).upper == got.expect(KEY).upper + 1


def test_a_longer_window_holds_what_usually_happens_in_it() -> None:
    """After an outage every account would page at once, for what it did on a usual day."""
    counts = {key(number): office(number, rate=(0.1, 0.5, 0.9)[number % 3], end=NOW + 2 * WEEK) for number in range(12)}
    for hour in range(NOW, NOW + 2 * WEEK, 31):
        known = Estate.of(counts, counts, FIRST, AT + timedelta(hours=hour - NOW))
        for name, hours in counts.items():
            for length in (4, 9, 30, 100):
                assert sum(hours.get(hour - back, 0) for back in range(length + 1)) <= known.expect_since(name, hour - length, 1000).upper


def test_sixty_keys_over_ninety_days_take_little_time() -> None:
    """The page would stand still at each full hour."""
    counts: dict[Key, dict[int, int]] = {
        key(number, name): office(number, rate=0.6) for number in range(20) for name in ("people", "scripts", "automation")
    }
    times = []
    for _ in range(3):
        started = time.process_time()
        fit(counts, counts, FIRST, AT)
        times.append(time.process_time() - started)
    assert min(times) < 0.25  # 0.03 s on an idle machine


hourly = st.dictionaries(st.integers(FIRST - 100, NOW + 50), st.integers(1, 10_000), max_size=60)
pasts = st.dictionaries(st.builds(key, st.integers(0, 9), st.sampled_from(tuple(CHANNEL_CLASSES))), hourly, max_size=6)


@given(counts=pasts, hours=st.integers(0, WEEK), watched=st.integers(-10, HISTORY + 500))
@settings(max_examples=60, deadline=None)
def test_any_past_gives_finite_numbers_with_the_bound_above_what_is_expected(
    counts: dict[Key, dict[int, int]], hours: int, watched: int
) -> None:
    """A gauge that is NaN, or a bound below the mean, makes a rule that fires always or never."""
    known = Estate.of(counts, [*counts, key(30)], NOW - watched, AT + timedelta(hours=hours))
    for name in (*counts, key(30), key(31)):
        for got in (known.expect(name), known.expect_since(name, NOW - 30, 7)):
            assert 0 <= got.expected <= got.upper
            assert math.isfinite(got.upper)


@given(counts=pasts, shuffle=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_in_which_the_past_is_given_does_not_matter(counts: dict[Key, dict[int, int]], shuffle: random.Random) -> None:
    """Two replicas on one store would show two bounds."""
    names = list(counts)
    shuffle.shuffle(names)
    other = {}
    for name in names:
        hours = list(counts[name].items())
        shuffle.shuffle(hours)
        other[name] = dict(hours)
    assert fit(other, names[::-1], FIRST, AT) == fit(counts, list(counts), FIRST, AT)


@given(hours=hourly, weeks=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_whole_weeks_later_the_same_past_says_the_same(hours: dict[int, int], weeks: int) -> None:
    """Nothing in the model may depend on the date itself."""
    moved = {hour + weeks * WEEK: count for hour, count in hours.items()}
    later = fit({KEY: moved}, [KEY], FIRST + weeks * WEEK, AT + timedelta(weeks=weeks))[KEY]
    assert later == fit({KEY: hours}, [KEY], FIRST, AT)[KEY]


@pytest.mark.parametrize("factor", [2, 10, 100])
def test_an_estate_that_does_more_of_everything_is_expected_to(factor: int) -> None:
    """A bound that does not grow with the counts pages busy accounts, one that outgrows them is blind there."""
    counts = estate()
    once, more = fit(counts, counts, FIRST, AT), fit(scaled(counts, factor), counts, FIRST, AT)
    for name in counts:
        assert more[name].expected == pytest.approx(factor * once[name].expected, rel=0.3)
        assert once[name].upper < more[name].upper <= 1.5 * factor * once[name].upper


@given(seed=st.integers(0, 1000), more=st.integers(1, 50))
@settings(max_examples=20, deadline=None)
def test_more_at_an_hour_of_each_week_never_lowers_what_is_expected_of_it(seed: int, more: int) -> None:
    """A habit that grows must raise its own bound."""
    counts = {KEY: office(seed)}
    busier = {KEY: counts[KEY] | {NOW - week * WEEK: counts[KEY].get(NOW - week * WEEK, 0) + more for week in range(1, 12)}}
    before, after = (fit(past, [KEY], FIRST, AT)[KEY] for past in (counts, busier))
    assert after.expected > before.expected
    assert after.upper >= 0.9 * before.upper  # what comes evenly comes less in bursts, which may take a count off
