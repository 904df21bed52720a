"""The past written for Prometheus: what each series counts, when, and that readers of OpenMetrics understand it."""

from __future__ import annotations

import bisect
import io
import itertools
import random
import subprocess
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from prometheus_client.openmetrics.parser import text_fd_to_metric_families

from exporter.backfill import Grid, Stretch, default_end, replay, write
from exporter.backfill.events import in_order
from exporter.backfill.replay import AFTERWARDS, LIVE, PAST, Track
from exporter.backfill.sampling import samples_of_counter
from exporter.backfill.steps import counter_steps
from exporter.cli import main
from exporter.families import EVENT_FAMILIES, OTHER
from exporter.metrics.exposition import Exposition
from exporter.metrics.telemetry import Telemetry
from exporter.model import Principal, PrincipalType, Unit
from exporter.posture.chronicle import Unexplained
from exporter.posture.entries import unexplained_event
from exporter.store import open_store
from exporter.store.base import BEGINNING, PostureChange
from tests.store_events import ACCOUNT, GROUP, NOON, REGION, batches, ingest, made_up, make_event

DAY = timedelta(days=1)
STRETCH = Stretch(NOON - DAY, NOON + DAY)
GRID = Grid(60_000)
TARGET = {"job": "aws-change-exporter", "instance": "localhost:10893"}
COUNTERS = [family for family in EVENT_FAMILIES if family.type == "counter"]
EVENTS, GROUPS, PRINCIPALS = "awschange_events_total", "awschange_security_group_changes_total", "awschange_principal_changes_total"


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "state.db")
    yield opened
    opened.close()


def text(store, stretch=STRETCH, budgets=None, grid=GRID, target=TARGET):
    out = io.BytesIO()
    written = write(out, replay(store, stretch, budgets or {}), stretch, grid, target)
    found = out.getvalue()
    assert (written.bytes, written.samples) == (len(found), sum(not line.startswith(b"#") for line in found.splitlines()))
    return found.decode()


def parsed(found):
    """The samples by name and labels without those of the target, in the order of the file: (time, value)."""
    series = defaultdict(list)
    for family in text_fd_to_metric_families(io.StringIO(found)):
        for sample in family.samples:
            labels = tuple(value for name, value in sample.labels.items() if name not in TARGET)
            series[sample.name, labels].append((float(sample.timestamp), sample.value))
    return series


def total(samples):
    """What increase() without stretching finds in all of it: falls are restarts."""
    values = [value for _, value in samples]
    return sum(new - old if new >= old else new for old, new in itertools.pairwise(values))


def expected(events, since, until):
    """What the families make of events, in the simplest words, with the time of each count."""
    found = defaultdict(list)
    for event in events:
        if since <= event.event_time < until:
            for family in COUNTERS:
                for labels, _ in family.contribute(event, event.event_time):
                    found[family.name, labels].append(event.event_time.timestamp())
    return found


@pytest.mark.parametrize("live", [True, False], ids=["all live", "all past"])
@pytest.mark.parametrize("seed", range(2))
def test_every_series_counts_what_the_families_make_of_the_stored_events(store, seed, live):
    """A dashboard over the past would tell other numbers than the exporter and its history do."""
    store.go_live("files", NOON, BEGINNING if live else NOON + DAY)
    events = [event for event in made_up(seed, 400) if event.content_known and not event.supersedes]
    for batch in batches(events, 50):
        store.append(ingest(*batch))
    series, counts = parsed(text(store)), {}
    for row in store.series().rows:
        counts[row.family, row.labels] = row.value
    first = {event.event_id: event for event in reversed(events)}
    wanted = expected(first.values(), *((STRETCH.since, STRETCH.until)))
    for (name, labels), times in wanted.items():
        assert total(series[name, labels]) == len(times)
        assert not live or counts[name, labels] == len(times)
    for family in COUNTERS:
        for (name, labels), samples in series.items():
            if name == family.name:
                assert total(samples) == len(wanted.get((name, labels), ()))
                assert samples[0] == (STRETCH.since.timestamp(), 0.0)
    assert {key for key in series if key[0] in {family.name for family in COUNTERS}} >= {
        (family.name, labels)
        for family in COUNTERS
        for unit in {(e.account_id, e.region) for e in events}
        for labels in family.zeros(Unit(*unit))
    }


@pytest.mark.parametrize("seed", range(3))
def test_a_window_shows_the_changes_in_it_to_the_second(store, seed):
    """A change would appear in the wrong minute, or twice in two neighbouring windows."""
    store.go_live("files", NOON, NOON + DAY)
    chance = random.Random(seed)
    events = [
        make_event(n, event_time=NOON + timedelta(seconds=chance.choice((chance.randrange(100), chance.randrange(40_000)))))
        for n in range(60)
    ]
    store.append(ingest(*events))
    samples = parsed(text(store))[EVENTS, (ACCOUNT, REGION, "ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", "success")]
    times = sorted(event.event_time.timestamp() for event in events)
    assert [time for time, _ in samples] == sorted({time for time, _ in samples})
    at = [time for time, _ in samples]
    for _ in range(300):
        start = NOON.timestamp() + chance.randrange(-4000, 44_000)
        end = start + chance.choice((120, 300, 3600, 7200, 30_000))
        window = samples[bisect.bisect_left(at, start) : bisect.bisect_right(at, end)]
        # A sample a second before a change must be within the window, so that it sees the change.
        inside = sum(start + 1 <= time <= end for time in times)
        assert inside <= total(window) <= sum(start <= time <= end for time in times)
        if end - start >= 3600:
            assert len(window) >= 2


def stretched(samples, start, end):
    """increase() of Prometheus 2.42, its extrapolatedRate told again; None where it shows nothing."""
    window = [(time, value) for time, value in samples if start <= time <= end]
    if len(window) < 2:
        return None
    increase, sampled = total(window), window[-1][0] - window[0][0]
    mean = sampled / (len(window) - 1)
    to_start, to_end = window[0][0] - start, end - window[-1][0]
    if increase > 0 and window[0][1] >= 0:
        to_start = min(to_start, sampled * window[0][1] / increase)
    reach = sampled + sum(gap if gap < mean * 1.1 else mean / 2 for gap in (to_start, to_end))
    return increase * reach / sampled


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("window", [600, 1200, 3600, 6 * 3600, 86_400])
def test_the_stretching_of_increase_adds_at_most_a_tenth_of_a_change(window, quiet):
    """A single change would count as two, and a threshold of five would fire at four."""
    track = Track()
    for number in range(1, 6):
        track.add(number * 7_300_000, 1, PAST)
    steps = counter_steps(track, scraped=False, since=0, until=100_000_000)
    samples = [(time / 1000, value) for time, value in samples_of_counter(steps, GRID, quiet=quiet)]
    for start in range(1, 36_500 + 3600, 97):
        inside = sum(start + 1 <= number * 7300 <= start + window - 1 for number in range(1, 6))
        touched = sum(start - 1 <= number * 7300 <= start + window + 1 for number in range(1, 6))
        found = stretched(samples, start, start + window) or 0
        assert inside <= found + 1e-9
        assert found <= touched * (1.11 if window >= 3600 else 1.25)


def test_a_series_is_at_0_before_its_first_count(store):
    """increase() does not see the first sample of a series: the first change of every group would be invisible."""
    store.go_live("files", NOON, NOON + DAY)
    store.append(ingest(make_event(1)))
    series = parsed(text(store))
    for name in (EVENTS, GROUPS, PRINCIPALS):
        ((samples),) = [found for (of, _), found in series.items() if of == name and total(found)]
        before = [(time, value) for time, value in samples if time < NOON.timestamp()]
        assert {value for _, value in before} == {0.0}
        assert before[-1][0] == NOON.timestamp() - 1
        assert (NOON.timestamp(), 1.0) in samples


@pytest.mark.parametrize(
    ("changes", "scraped", "reached", "counted"),
    [
        ([PAST] * 5, False, 0, 5),
        ([PAST] * 5, True, 0, 5),
        ([PAST, PAST, LIVE, LIVE, LIVE], True, 3, 5),
        ([LIVE, LIVE], True, 2, 2),
        ([LIVE, LIVE], False, 0, 2),
        ([LIVE, PAST, LIVE, PAST], True, 2, 4),
        ([PAST, LIVE, AFTERWARDS], True, 1, 2),
        ([PAST, LIVE, AFTERWARDS], False, 0, 3),
        ([], False, 0, 0),
    ],
)
@pytest.mark.parametrize("apart", [60_000, 1000, 0])
def test_a_counter_ends_where_the_next_scrape_goes_on(changes, scraped, reached, counted, apart):
    """Otherwise the first scrape after the past would look like a burst, or would swallow the changes after it."""
    track = Track()
    for at, state in enumerate(changes):
        track.add(1_000_000 + at * apart, 1, state)
    steps = list(counter_steps(track, scraped=scraped, since=0, until=9_000_000))
    assert [step.time for step in steps] == sorted({step.time for step in steps})
    assert (steps[0].time, steps[0].value) == (0, 0)
    assert (steps[-1].time, steps[-1].value) == (9_000_000, reached)
    assert {type(step.value) for step in steps} == {float}
    assert total([(step.time, step.value) for step in steps]) == counted


def test_the_same_past_is_the_same_file(store):
    """Who runs it twice and imports both must not get two truths."""
    for batch in batches(made_up(3, 300), 40):
        store.append(ingest(*batch))
    assert text(store) == text(store)


def test_what_nobody_explains_is_no_event(store):
    """Rules that changed in the dark are entries of the history, counted by no family of events."""
    entry = unexplained_event(ACCOUNT, REGION, Unexplained("group", GROUP, (), NOON, NOON, "hash:" + "0" * 32, (GROUP,), ()))
    store.replace_posture(PostureChange(ACCOUNT, REGION, 0, NOON, "posture", events=(entry,)))
    assert len(list(in_order(store, STRETCH.until))) == 1
    assert {total(samples) for samples in parsed(text(store)).values()} == {0.0}


def test_gauges_tell_the_very_first_and_the_last_moment(store):
    """A principal of years ago would pass for a new one at the beginning of the stretch."""
    store.go_live("files", NOON, NOON + DAY)
    store.append(ingest(*(make_event(n, event_time=NOON + timedelta(hours=hour)) for n, hour in enumerate((-48, 0, 1)))))
    series = parsed(text(store))
    assert not any(name == "awschange_principal_first_seen_timestamp_seconds" for name, _ in series)
    last = series["awschange_last_change_observed_timestamp_seconds", (ACCOUNT, REGION)]
    assert {value for _, value in last} == {(NOON + timedelta(hours=hour)).timestamp() for hour in (0, 1)}
    assert all(value <= time <= value + 600 for time, value in last)
    earlier = parsed(text(store, Stretch(NOON - 3 * DAY, NOON + DAY)))
    first = earlier["awschange_principal_first_seen_timestamp_seconds", (ACCOUNT, "role", "role/Deploy")]
    assert {value for _, value in first} == {(NOON - 2 * DAY).timestamp()}


def test_series_past_the_budget_fold_as_on_the_page(store):
    """Old and new samples of one group would lie in two series, and a stranger could fill Prometheus."""
    store.go_live("files", NOON, NOON)
    for number in range(8):
        who = Principal(PrincipalType.ROLE, f"role/{number}")
        # The last ones are live: their series stand on the page, first come first.
        store.append(
            ingest(
                make_event(
                    number,
                    principal=who,
                    event_time=NOON + timedelta(hours=1 if number > 4 else -1),
                    security_groups=(f"sg-{number:017x}",),
                )
            )
        )
    budgets = {GROUPS: 2, PRINCIPALS: 2}
    page = Exposition(store, budgets, timedelta(0), NOON.timestamp, Telemetry()).text(openmetrics=False, settled=True)
    series = parsed(text(store, budgets=budgets))
    names = {labels[-1] for name, labels in series if name == PRINCIPALS}
    assert names == {"role/5", "role/6", OTHER}
    for name in names:
        assert f'principal="{name}"' in page
    folded = [samples for (name, labels), samples in series.items() if name == PRINCIPALS and labels[-1] == OTHER]
    assert [total(samples) for samples in folded] == [6.0]


HOSTILE = (
    'a"b',
    "a\\b",
    "a\nb",
    "a\\nb",
    '"} 9 9\nx 1 1\n# EOF',
    "\x00\x1b[31m",
    "\u2028",
    "\ud800",
    "# EOF",
    "{}",
    "ü" * 300,
    "",
    "\\u0000",
    "\r",
)


def test_hostile_names_stay_inside_their_quotes(store, program, tmp_path):
    """A role may be named so that the reader of the file sees other samples, or none."""
    store.go_live("files", NOON, NOON + DAY)
    store.append(ingest(*(make_event(n, principal=Principal(PrincipalType.ROLE, name)) for n, name in enumerate(HOSTILE))))
    found = text(store, target={**TARGET, "instance": 'a"b\\c\n'})
    assert found.count("\n# EOF\n") == 1
    assert {line.split("{")[0] for line in found.split("\n") if line and line[0] != "#"} == {name for name, _ in parsed(found)}
    by_principal = [samples for (name, _), samples in parsed(found).items() if name == PRINCIPALS]
    assert [total(samples) for samples in by_principal] == [1.0] * len(HOSTILE)
    (tmp_path / "past.om").write_text(found)
    blocks(program, tmp_path / "past.om", tmp_path / "blocks")


def blocks(program, file, out):
    out.mkdir()
    done = subprocess.run(
        [program("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=744h", "openmetrics", "-q", file, out],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.parametrize("page", [1, 3, 1000])
def test_events_come_in_order_and_each_once(store, page):
    """A page that is too small for one second must neither end the reading nor lose what is in it."""
    chance = random.Random(5)
    events = [make_event(n, event_time=NOON + timedelta(seconds=chance.choice((0, 0, 1, chance.randrange(10_000_000))))) for n in range(80)]
    store.append(ingest(*events))
    found = [item.event for item in in_order(store, NOON + timedelta(days=400), page)]
    assert [event.event_time for event in found] == sorted(event.event_time for event in events)
    assert {event.event_id for event in found} == {event.event_id for event in events}
    assert list(in_order(store, NOON, page)) == []


def test_it_ends_before_anything_that_prometheus_has_itself(store):
    """Blocks over time that Prometheus still writes cost it those samples at its next start."""
    now = NOON + timedelta(days=30)
    assert default_end(store, now) == now - timedelta(hours=3)
    store.go_live("files", NOON, BEGINNING)
    assert default_end(store, now) == now - timedelta(hours=3)
    store.append(ingest(make_event(1), source="cloudtrail", at=NOON + 2 * DAY, account_id=ACCOUNT, region=REGION))
    assert default_end(store, now) == NOON + 2 * DAY
    assert default_end(store, NOON + 2 * DAY + timedelta(hours=1)) == NOON + 2 * DAY - timedelta(hours=2)
    store.mark_exposed([row.id for row in store.series().rows][:1], NOON + DAY)
    assert default_end(store, now) == NOON + DAY


# The command.


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "config.yml"
    file.write_text(f"store: {{path: {tmp_path / 'cli.db'}}}\n")
    opened = open_store(tmp_path / "cli.db")
    now = datetime.now(UTC).replace(microsecond=0)
    opened.go_live("cloudtrail", now)
    opened.append(ingest(*(make_event(n, event_time=now - timedelta(days=n, hours=5)) for n in range(5)), source="cloudtrail", at=now))
    opened.close()
    return file


def run(config, *options):
    return CliRunner().invoke(main, ["backfill", "--config.file", str(config), *map(str, options)])


def test_the_file_is_whole_and_one_that_exists_is_kept(config, tmp_path, program):
    """Half a file would be imported as if it were all; another's file would be lost."""
    out = tmp_path / "past.om"
    done = run(config, "--openmetrics", out)
    assert done.exit_code == 0, done.output
    assert "5 events from" in done.stderr
    text = out.read_text()
    assert text.endswith("# EOF\n")
    assert 'job="aws-change-exporter",instance="localhost:10893"' in text
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    out.write_text("mine")
    done = run(config, "--openmetrics", out)
    assert (done.exit_code, out.read_text()) == (2, "mine")
    assert "--force" in done.stderr
    assert run(config, "--openmetrics", out, "--force", "--label", "job=changes", "--label", "instance=").exit_code == 0
    assert 'job="changes"} ' in out.read_text()
    assert "instance=" not in out.read_text()
    blocks(program, out, tmp_path / "blocks")
    done = run(config, "--openmetrics", "-", "--since", "2d")
    assert done.stdout.endswith("# EOF\n")
    assert "2 events from" in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--label", "job"], "is no label"),
        (["--label", "__name__=x"], "is no label"),
        (["--label", "region=eu-west-1"], "honor_labels"),
        (["--step", "1s"], "from 10s to 5m"),
        (["--step", "6m"], "from 10s to 5m"),
        (["--step", "x"], "duration"),
        (["--since", "1d", "--until", "2d"], "must be later"),
        (["--since", "1h"], "the past ends at"),
        (["--until", "2999-01-01"], "yet to come"),
        (["--openmetrics", "/dev/null/x"], "cannot be written"),
    ],
)
def test_a_wrong_option_says_what_to_do(config, tmp_path, options, says):
    """A file of the wrong stretch or under wrong labels is found out only in the database, where nobody can take it back."""
    options = options if "--openmetrics" in options else ["--openmetrics", tmp_path / "past.om", *options]
    done = run(config, *options)
    assert done.exit_code == 1 if "/dev/null/x" in options else done.exit_code == 2
    assert says in done.output
    assert not (tmp_path / "past.om").exists()


def test_an_empty_store_is_an_empty_file(tmp_path):
    """No past is an answer, too; no store is none."""
    config = tmp_path / "config.yml"
    config.write_text(f"store: {{path: {tmp_path / 'empty.db'}}}\n")
    assert run(config, "--openmetrics", "-").exit_code == 2
    open_store(tmp_path / "empty.db").close()
    done = run(config, "--openmetrics", "-")
    assert (done.exit_code, done.stdout) == (0, "# EOF\n")
    assert "0 events" in done.stderr
