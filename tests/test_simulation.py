"""The simulation judges the alert rules, so its clocks, its samples, its truth and its arithmetic are judged here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.baseline import Expectation, class_of
from exporter.families import EVENT_FAMILIES
from exporter.rules.settings import AlertSettings
from simulation.clocks import KNOWN_FROM, KNOWN_UNTIL, ZONES
from simulation.evaluate import Firing, levels, rule_file, seconds
from simulation.expectation import expectations, key_of
from simulation.incidents import KINDS
from simulation.model import DAY, HOUR, MINUTE, Span
from simulation.openmetrics import write
from simulation.score import GRACE, pages, score
from simulation.scrape import AFTER, BEFORE, PHASE, Series, families, runs
from simulation.table import text
from simulation.world import World, world

SEED = 7


@pytest.fixture(scope="module")
def small() -> World:
    """Return a world of six places and ten days."""
    return world(SEED, units=6, days=10, share=0.2)


@pytest.fixture(scope="module")
def whole() -> World:
    """Return a world of full size."""
    return world(SEED)


@pytest.mark.parametrize("name", sorted(ZONES))
def test_the_written_out_zones_agree_with_the_tables_of_the_system(name):
    """A wrong change of the clocks would put office hours, and with them every figure, an hour off."""
    try:
        real = ZoneInfo(name)
    except ZoneInfoNotFoundError:
        pytest.skip("this system has no tables of time zones")
    for at in range(KNOWN_FROM, KNOWN_UNTIL, HOUR):
        assert ZONES[name].offset(at) == datetime.fromtimestamp(at, real).utcoffset().total_seconds(), at


def test_the_same_seed_gives_the_same_world_in_every_process():
    """Otherwise nobody could check a figure that we report."""
    code = (
        "from hashlib import sha256; from simulation.world import world; w = world(7, units=6, days=10, share=0.2);"
        "print(sha256(repr((w.live, w.history, w.incidents, w.faults)).encode()).hexdigest())"
    )
    said = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": number}, capture_output=True, check=True).stdout
        for number in ("1", "2")
    }
    assert len(said) == 1


def test_another_seed_gives_another_world(small):
    """A seed that changes nothing would make five reported seeds one."""
    other = world(SEED + 1, units=6, days=10, share=0.2)
    assert [change.at for change in other.live] != [change.at for change in small.live]


def test_the_whole_world_is_as_large_and_as_varied_as_promised(whole):
    """A world without holidays, deploys, controllers or what is refused would be easier than any that exists."""
    assert len(whole.places) == 20
    assert Counter(incident.kind for incident in whole.incidents) == {kind.name: 12 for kind in KINDS}
    assert sum(kind.number for kind in KINDS) == 60
    causes = Counter(recorded.change.cause for recorded in whole.live)
    assert {"office", "on call", "newcomer", "deploys", "environments", "controllers", "autoscalers", "nightly", "refused"} <= set(causes)
    assert len({place.zone.name for place in whole.places}) == 8
    weekend = sum((recorded.change.event_time // DAY + 3) % 7 >= 5 for recorded in whole.live if recorded.change.cause == "office")
    assert 0 < weekend < 0.1 * causes["office"]


@pytest.mark.parametrize("seed", [1, 2, 101])
def test_incidents_are_what_their_definition_says(seed):
    """The truth must not drift from docs/simulation.md: recall over other incidents than those described means nothing."""
    within = {
        "mass open": (10, 60, 10 * MINUTE),
        "slow drip": (6, 60, 9 * HOUR),
        "night burst": (12, 40, 30 * MINUTE),
        "mass delete": (15, 80, 10 * MINUTE),
        "deploy storm": (30, 120, 40 * MINUTE),
    }
    made = world(seed)
    known = {(change.unit.account_id, change.who.name) for change in made.history}
    channels = set()
    for incident in made.incidents:
        least, most, longest = within[incident.kind]
        assert least <= len(incident.changes) <= most, incident.name
        assert incident.span.end - incident.span.start <= longest + 1, incident.name
        first = incident.changes[0]
        assert incident.pages == (incident.kind != "deploy storm")
        assert incident.enough in (0, least)
        if incident.kind == "slow drip":
            assert (first.unit.account_id, first.who.name) not in known
            gaps = [b.event_time - a.event_time for a, b in pairwise(incident.changes)]
            assert 10 * MINUTE - 1 <= min(gaps) <= max(gaps) <= 40 * MINUTE
        if incident.kind == "night burst":
            assert not 6 <= incident.place.zone.hour(first.event_time) < 21
        if incident.kind == "deploy storm":
            assert first.who == incident.place.pipeline
            assert 7 <= incident.place.zone.hour(first.event_time) <= 21
        if incident.pages:
            channels.add(class_of(first.channel))
    assert channels == {"people", "scripts", "automation"}


def test_incidents_of_one_account_keep_apart(whole):
    """A page within two incidents at once would count for both."""
    by_account = defaultdict(list)
    for incident in whole.incidents:
        by_account[incident.place.unit.account_id].append(incident.span)
    for spans in by_account.values():
        for one, other in pairwise(spans):
            assert other.start - one.end > 2 * GRACE


def test_nothing_is_recorded_in_an_outage_or_before_it_happened(whole):
    """An exporter that is down reads nothing, and none reads the future."""
    assert whole.faults.outages
    for recorded in whole.live:
        assert recorded.at >= recorded.change.event_time
        assert not any(recorded.at in outage for outage in whole.faults.outages)
    assert [r.at for r in whole.live] == sorted(r.at for r in whole.live)


WEEK = Span(1_772_409_600, 1_772_409_600 + 7 * DAY)


@given(
    steps=st.lists(st.integers(WEEK.start + HOUR, WEEK.end - HOUR), min_size=1, max_size=12, unique=True).map(sorted),
    tail=st.sampled_from([0, 25 * HOUR]),
    outage=st.integers(WEEK.start, WEEK.end).map(lambda start: Span(start, start + 3 * HOUR)),
)
def test_samples_are_those_of_a_scrape_each_minute_wherever_rules_look(steps, tail, outage):
    """A sample that is late, twice there, or out of an outage would let rules see what no Prometheus would have seen."""
    series = Series((), [(WEEK.start, 0.0), *((at, float(number)) for number, at in enumerate(steps, 1))], list(steps))
    shown = [(at, value) for value, scrapes in runs(series, tail, WEEK, [outage]) for at in scrapes]
    times = [at for at, _ in shown]
    assert times == sorted(set(times))
    for at, value in shown:
        assert at % MINUTE == PHASE
        assert at not in outage
        assert value == sum(step <= at for step in steps)
    there = set(times)
    for step in steps:
        for at in range(max(step - BEFORE, WEEK.start), min(step + AFTER, WEEK.end)):
            if at % MINUTE == PHASE and at not in outage:
                assert at in there
        if tail and step + tail < WEEK.end:
            late = [at for at in times if step <= at < step + tail] + [step + tail]
            assert all(b - a <= 4 * MINUTE or any(a <= o < b for o in (outage.start, outage.end - 1)) for a, b in pairwise(late))
    quiet = [b - a for a, b in zip([WEEK.start, *times], [*times, WEEK.end], strict=True)]
    assert max(quiet) <= 3 * HOUR + 30 * MINUTE + 2 * MINUTE


def test_counters_end_at_what_was_recorded_since_the_last_reset(small):
    """A change that the writing loses would be missed by every rule, and counted against them."""
    since = small.faults.resets[-1]
    (events,) = families(small, ["awschange_events_total"])
    assert sum(series.points[-1][1] for series in events.series) == sum(recorded.at >= since for recorded in small.live)
    (channels,) = families(small, ["awschange_channel_events_total"])
    assert sum(series.points[-1][1] for series in channels.series) == sum(recorded.at >= since for recorded in small.live)


def test_a_principal_is_born_at_zero_and_held_there(small):
    """The exporter shows a new series at 0 for two minutes first; a simulation that does not would flatter the rules on principals."""
    (principals,) = families(small, ["awschange_principal_changes_total"])
    for series in principals.series:
        (born, zero), (released, value) = series.points[:2]
        assert zero == 0
        assert released >= born + 2 * MINUTE
        assert value > 0


def test_every_family_is_written_under_the_name_and_labels_of_the_exporter(small, tmp_path):
    """A label that the exporter does not have would prove rules that match nothing."""
    shown = families(small, [family.name for family in EVENT_FAMILIES])
    files, count = write(tmp_path, shown, small.period.judged, small.faults)
    lines = [line for file in files for line in file.read_text().splitlines()]
    samples = [line for line in lines if not line.startswith("#")]
    assert len(samples) == count
    labels = {family.name: family.labels for family in EVENT_FAMILIES}
    for line in samples[::997]:
        name, rest = line.split("{", 1)
        found = [pair.split("=")[0] for pair in rest.split("}")[0].split(",")]
        assert found == [*labels[name], "instance", "job", "pod"]
    assert all(file.read_text().endswith("# EOF\n") for file in files)
    assert len({line.split('pod="')[1].split('"')[0] for line in samples}) == len(small.faults.renames) + 1


class Counted:
    """Expects what was ever counted, and of a stretch a thousand more."""

    def __init__(self, counts, keys, first_hour, at):
        self.counts = {key: sum(hours.values()) for key, hours in counts.items()}
        self.hour = at.astimezone(UTC).hour

    def expect(self, key):
        return Expectation(float(self.counts[key]), self.hour)

    def expect_since(self, key, first, late):
        return Expectation(float(self.counts[key]), 1000.0 + self.hour)


def test_expectations_are_learned_from_what_was_recorded_before_and_from_nothing_later(small):
    """A baseline that has seen the incident that it is to judge finds it usual."""
    seen = []

    def learn(counts, keys, first_hour, at):
        seen.append((at.timestamp(), sum(sum(hours.values()) for hours in counts.values())))
        return Counted(counts, keys, first_hour, at)

    expectations(small, learn)
    assert 100 < len(seen) <= 240  # hours without anything to judge are left out
    for at, total in seen:
        assert total == len(small.history) + sum(recorded.at < at for recorded in small.live)


def test_what_is_counted_late_is_held_to_its_stretch_while_it_is_in_the_window(small):
    """The exporter raises its bound then; without it every outage would be a page that the exporter would never have sent."""
    _, upper = expectations(small, Counted)
    late = [recorded for recorded in small.live if recorded.at - recorded.change.event_time > 30 * MINUTE]
    assert late
    for recorded in late:
        key = key_of(recorded.change)
        (series,) = [series for series in upper.series if tuple(value for _, value in series.labels) == key]
        shown = [value for at, value in series.points if at <= recorded.at + 120][-1]
        assert shown >= 1000
    for series in upper.series:
        times = [at for at, _ in series.points]
        assert times == sorted(times)
        assert any(value < 1000 for _, value in series.points)


def test_expectations_are_the_same_with_more_processes(small):
    """Figures must not depend on the cores of a machine."""
    alone, shared = (expectations(small, Counted, jobs) for jobs in (1, 3))
    assert [series.points for family in alone for series in family.series] == [s.points for family in shared for s in family.series]


def test_only_what_the_paging_alerts_read_is_recorded_and_in_the_order_in_which_it_is_read():
    """A rule that is recorded too early would be worked out from nothing."""
    rules = rule_file(AlertSettings())
    assert rules.alerts
    assert all(alert.severity == "critical" for alert in rules.alerts)
    assert rules.metrics() <= {family.name for family in EVENT_FAMILIES} | {
        # The time of the picture tells an exporter that is away from rules that are closed.
        name
        for name in rules.metrics()
        if "_open_" in name or "_expected_" in name or name == "awschange_exporter_snapshot_timestamp_seconds"
    }
    chain = [
        {"record": "a:x:y", "expr": "x_total"},
        {"record": "a:x:z", "expr": 'max({__name__=~"a:x:(y|w)"})'},
        {"record": "a:x:w", "expr": "x_total"},
    ]
    assert [[record["record"] for record in level] for level in levels(chain)] == [["a:x:y", "a:x:w"], ["a:x:z"]]


@pytest.mark.parametrize(("text", "wanted"), [("", 0), ("2m", 120), ("1h30m", 5400), ("1d", DAY), ("500ms", 0)])
def test_durations_of_rules_are_understood(text, wanted):
    """A `for` that is misread moves every page."""
    assert seconds(text) == wanted


def firing(place, start, *, rule="AwsChangeBurst", length=10 * MINUTE, region=None):
    unit = place.unit
    return Firing(rule, unit.account_id, unit.region if region is None else region, Span(start, start + length))


def shown_at(small, incident):
    """Return the evaluation after the scrape that shows enough of an incident."""
    times = [recorded.at for recorded in small.live if recorded.change.cause == incident.name]
    scrape = -(-(times[incident.enough - 1] - PHASE) // MINUTE) * MINUTE + PHASE
    return scrape - PHASE + MINUTE


def test_firings_of_one_place_within_an_hour_are_one_page(small):
    """Alertmanager groups by account and region: three rules that see one incident wake one person once."""
    place, other = small.places[:2]
    start = WEEK.start
    found = pages(
        [
            firing(place, start),
            firing(place, start + MINUTE, rule="AwsChangeMassRemoval", length=HOUR),
            firing(place, start + 2 * HOUR - MINUTE),
            firing(other, start),
            firing(place, start, region=""),
            firing(place, start + 5 * HOUR),
        ]
    )
    assert sorted(map(len, found)) == [1, 1, 1, 3]


def test_an_incident_counts_as_paged_by_what_begins_to_fire_within_it(small):
    """A page from before the incident, or from another region, is no answer to it."""
    incident = next(incident for incident in small.incidents if incident.kind == "mass delete")
    (other,) = [place for place in small.places if place.unit.account_id == incident.place.unit.account_id and place != incident.place][:1]
    at = shown_at(small, incident)

    def figures(*firings):
        return next(o for o in score(small, firings, {"AwsChangeBurst"}).outcomes if o.incident is incident)

    assert figures(firing(incident.place, at)).delay == 1
    assert figures(firing(incident.place, at + MINUTE)).delay == 2
    assert figures(firing(incident.place, at, region="")).delay == 1
    assert figures(firing(other, at)).delay is None
    assert figures(firing(incident.place, at - 3 * HOUR, length=6 * HOUR)).delay is None
    assert figures(firing(incident.place, at, rule="AwsChangeOther")).delay is None


def test_pages_about_storms_and_about_nothing_are_false(small):
    """A page about a deploy that must not page would otherwise look like a find."""
    storm = next(incident for incident in small.incidents if not incident.pages)
    begin = next(recorded.at for recorded in small.live if recorded.change.cause == storm.name)
    quiet = small.period.judged.start + 60
    found = score(small, [firing(storm.place, begin + MINUTE), firing(small.places[0], quiet)], {"AwsChangeBurst"})
    assert sorted(page.verdict for page in found.pages) == ["false", "storm"]
    assert found.false_a_week == pytest.approx(2 / (10 / 7))
    assert found.recall == 0
    assert found.precision == 0


def test_the_table_says_what_was_scored(small):
    """The table is what people judge the rules by."""
    paged = [incident for incident in small.incidents if incident.pages]
    firings = [firing(incident.place, shown_at(small, incident)) for incident in paged]
    found = score(small, firings, {"AwsChangeBurst"})
    assert (found.recall, found.precision, found.false_a_week, found.in_time) == (1, 1, 0, 1)
    said = text("seed 7", {"with AwsChangeBurst": found}, ["AwsChangeBurst"])
    assert "with AwsChangeBurst   1.000      1.000        0.00" in said
    assert f"AwsChangeBurst          {len(paged)}            {len(paged)}            {len(paged)}      0" in said
