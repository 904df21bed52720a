"""The page: rendered when something changed, handed out as it is when nothing did."""

from __future__ import annotations

import gzip
import re
import threading
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.errors import StoreError
from exporter.metrics.exposition import Exposition, Page
from exporter.metrics.telemetry import Telemetry
from tests.series_store import SeriesStore

EVENTS = "awschange_events_total"
GROUPS = "awschange_security_group_changes_total"
READ = "awschange_exporter_records_read_total"
FATES = "awschange_exporter_records_total"
AUTHORIZE = ("111122223333", "us-east-1", "ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", "success")
PATIENT = 30.0
"""Seconds: on a busy machine no test may depend on five milliseconds."""


class Clock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store():
    return SeriesStore()


@pytest.fixture
def make(store, clock):
    made: list[Exposition] = []

    def make(hold: float = 0.0, budgets: dict[str, int] | None = None, patience: float = PATIENT, **rest: Any) -> Exposition:
        telemetry = rest.pop("telemetry", None) or Telemetry(version="1.2.3", python_version="3.11.0")
        made.append(Exposition(store, budgets or {}, timedelta(seconds=hold), clock, telemetry, patience=patience, **rest))
        return made[-1]

    yield make
    for exposition in made:
        exposition.close()


Make = Callable[..., Exposition]


def group(number: int) -> tuple[str, ...]:
    return "111122223333", "us-east-1", f"sg-{number:017x}", "AuthorizeSecurityGroupIngress", "role/Deploy"


def text(page: Page) -> str:
    """Return what the page says, whatever its encoding."""
    return (gzip.decompress(page.body) if page.encoding == "gzip" else page.body).decode()


def lasting(page: Page) -> str:
    """Return what the page says that does not change from one refresh to the next by itself."""
    return "".join(line for line in text(page).splitlines(keepends=True) if not re.match("process_|awschange_exporter_refresh_", line))


def value(page: Page | str, start: str) -> str | None:
    """Return the value of the one sample whose line starts so, None where there is none."""
    lines = [line for line in (page if isinstance(page, str) else text(page)).splitlines() if line.startswith(start)]
    assert len(lines) <= 1
    return lines[0].split("} ")[1].split(" # ")[0] if lines else None


def test_what_has_not_changed_is_the_very_same_page(store, make):
    """Otherwise a scrape costs something while nothing happens."""
    store.add(EVENTS, AUTHORIZE)
    exposition = make()
    for openmetrics in (False, True):
        for compressed in (False, True):
            first = exposition.page(openmetrics, compressed)
            reads = store.reads
            assert exposition.page(openmetrics, compressed) is first
            assert store.reads == reads


def test_a_scrape_after_a_commit_shows_it(store, make):
    """Otherwise an alert waits for one scrape more."""
    exposition = make()
    store.add(EVENTS, AUTHORIZE)
    assert value(exposition.page(gzip=True), EVENTS) == "1"
    store.add(EVENTS, AUTHORIZE, 2)
    assert value(exposition.page(gzip=True), EVENTS) == "3"
    assert value(exposition.page(), EVENTS) == "3"


def test_what_the_exporter_knows_of_itself_is_shown_at_once(store, make):
    """Otherwise a failing poll is seen only when something else happens."""
    telemetry = Telemetry()
    exposition = make(telemetry=telemetry)
    exposition.page()
    telemetry.poll_finished("files", "", "", 1.0, 5.0, "unreadable")
    assert value(exposition.page(), 'awschange_exporter_poll_failures_total{source="files",reason="unreadable"}') == "1"


def test_the_formats_and_encodings_are_named(store, make):
    """Otherwise Prometheus reads the page with the wrong parser."""
    store.add(EVENTS, AUTHORIZE)
    exposition = make()
    plain, openmetrics = exposition.page(), exposition.page(openmetrics=True)
    assert plain.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert openmetrics.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert (plain.encoding, exposition.page(gzip=True).encoding) == (None, "gzip")
    assert plain.body.endswith(b"\n")
    assert openmetrics.body.endswith(b"\n# EOF\n")
    assert b"# EOF" not in plain.body
    assert lasting(exposition.page(gzip=True)) == lasting(plain)
    assert lasting(exposition.page(openmetrics=True, gzip=True)) == lasting(openmetrics)


def test_a_compressed_page_is_one_gzip_member(store, make):
    """Otherwise curl --compressed fails, and readers that stop after the first member see half a page."""
    store.add_all([(GROUPS, group(number), 1.0, None, None) for number in range(2000)])
    exposition = make()
    exposition.page(gzip=True)
    store.add_all([(GROUPS, group(number), 1.0, None, None) for number in range(0, 2000, 300)])
    page = exposition.page(gzip=True)
    reader = zlib.decompressobj(wbits=31)
    whole = reader.decompress(page.body)
    assert reader.eof
    assert reader.unused_data == b""
    assert whole == gzip.decompress(page.body)
    assert lasting(page) == lasting(exposition.page())
    assert lasting(page).count(f"{GROUPS}{{") == 2000


def test_no_sample_has_a_timestamp_and_nothing_a_creation_time(store, make):
    """Otherwise instant queries come back empty, or the page is twice as long."""
    telemetry = Telemetry()
    telemetry.event_stored("files", 1.0)
    store.add(EVENTS, AUTHORIZE, 1.0, "e" * 36, 1_700_000_000.0)
    exposition = make(telemetry=telemetry)
    for openmetrics in (False, True):
        page = text(exposition.page(openmetrics))
        assert "_created" not in page
        for line in page.splitlines():
            if not line.startswith("#"):
                assert re.fullmatch(r"[a-z_]+(\{.*\})? \S+", line.split(" # {")[0]), line


def test_both_formats_are_understood(store, make):
    """Otherwise one scrape in a thousand setups fails to parse."""
    store.add(EVENTS, AUTHORIZE, 3.0, "e" * 36, 1_700_000_000.5)
    exposition = make()
    families = {family.name: family for family in parse_openmetrics(text(exposition.page(openmetrics=True)))}
    (sample,) = families["awschange_events"].samples
    assert (sample.name, sample.value, sample.timestamp) == (EVENTS, 3.0, None)
    assert (sample.exemplar.labels, sample.exemplar.value) == ({"event_id": "e" * 36}, 1.0)
    assert float(sample.exemplar.timestamp) == 1_700_000_000.5
    assert {family.name for family in parse_text(text(exposition.page()))} == set(families)


def test_a_series_is_born_at_zero_over_scrape_flush_and_hold(store, make, clock):
    """Otherwise increase() misses the first change, or shows it before Prometheus has seen the 0."""
    key = store.add(GROUPS, group(1))
    exposition = make(hold=120)
    assert value(exposition.page(gzip=True), GROUPS) == "0"
    assert store.marked == [], "a scrape does not write"
    clock.now += 500
    assert value(exposition.page(gzip=True), GROUPS) == "0", "what is not in the store could be forgotten by a crash"
    scraped_at = clock.now - 500
    assert exposition.flush_exposed() == 1
    assert store.marked == [((key,), datetime.fromtimestamp(scraped_at, UTC))]
    assert value(exposition.page(gzip=True), GROUPS) == "1"
    assert exposition.flush_exposed() == 0, "told once is enough"
    assert len(store.marked) == 1


def test_a_hold_ends_without_any_change_in_the_store(store, make, clock):
    """Otherwise the first change of a quiet account is shown when the second comes."""
    store.add(GROUPS, group(1))
    exposition = make(hold=120)
    exposition.page()
    exposition.flush_exposed()
    clock.now += 119
    assert value(exposition.page(), GROUPS) == "0"
    clock.now += 1
    revision = store.revision()
    assert value(exposition.page(), GROUPS) == "1"
    assert store.revision() == revision


def test_a_restart_never_takes_a_value_back(store, make, clock):
    """Otherwise Prometheus takes it for a reset and counts the value once more."""
    store.add(GROUPS, group(1), 4)
    exposition = make(hold=120)
    exposition.page()
    exposition.flush_exposed()
    clock.now += 121
    assert value(exposition.page(), GROUPS) == "4"
    assert value(make(hold=120).page(), GROUPS) == "4"
    assert value(make(hold=900, previous=exposition).page(), GROUPS) == "4", "nor does a reload that raises the hold"


def test_only_a_scrape_starts_a_hold(store, make, clock):
    """Otherwise a series is released that Prometheus has never seen at 0."""
    store.add(GROUPS, group(1))
    exposition = make(hold=120)
    exposition.refresh()
    exposition.text()
    assert exposition.flush_exposed() == 0
    assert store.marked == []


def test_who_asks_for_the_head_has_seen_no_zero(store, make, clock):
    """Otherwise a probe ends the hold of a series that Prometheus has not scraped yet, and increase() misses its first change."""
    exposition = make(hold=120)
    key = store.add(GROUPS, group(1))
    exposition.page(scrape=False)
    assert exposition.flush_exposed() == 0
    assert store.marked == []
    exposition.page()
    assert exposition.flush_exposed() == 1
    assert store.marked[0][0] == (key,)


def test_a_scrape_that_a_reload_overtook_is_answered(store, make):
    """Otherwise each reload may cost a scrape, and `up` is 0."""
    exposition = make()
    exposition.page()
    exposition.close()
    store.add(EVENTS, AUTHORIZE)
    assert value(exposition.page(), EVENTS) == "1"


def test_a_store_that_cannot_be_written_leaves_the_marks_for_the_next_time(store, make, clock):
    """Otherwise a series stays at 0 for ever, or is released without a trace in the store."""
    store.add(GROUPS, group(1))
    exposition = make(hold=120)
    exposition.page()
    store.fails = True
    with pytest.raises(StoreError):
        exposition.flush_exposed()
    clock.now += 500
    store.fails = False
    assert value(exposition.page(), GROUPS) == "0"
    assert exposition.flush_exposed() == 1
    assert store.marked[0][1].timestamp() == clock.now - 500
    assert value(exposition.page(), GROUPS) == "1"


def test_marks_go_to_the_store_with_the_time_of_the_first_scrape(store, make, clock):
    """Otherwise each further scrape puts off the end of the hold."""
    store.add(GROUPS, group(1))
    exposition = make(hold=120)
    exposition.page()
    clock.now += 15
    store.add(GROUPS, group(2))
    exposition.page(gzip=True)
    assert exposition.flush_exposed() == 2
    assert [at.timestamp() for _, at in store.marked] == [clock.now - 15, clock.now]


def test_text_is_the_page_without_the_process_and_settled_without_holds(store, make):
    """Otherwise the command line cannot say what the counts are."""
    store.add(GROUPS, group(1), 4)
    exposition = make(hold=120)
    assert value(exposition.text(), GROUPS) == "0"
    assert value(exposition.text(settled=True), GROUPS) == "4"
    assert exposition.text(openmetrics=True).endswith("# EOF\n")
    assert "process_" not in exposition.text()
    assert "awschange_exporter_build_info" in exposition.text()


def test_budgets_of_the_configuration_hold(store, make):
    """Otherwise metrics.budgets changes nothing."""
    store.add_all([(GROUPS, group(number), 1.0, None, None) for number in range(5)])
    page = make(budgets={GROUPS: 2}).page()
    assert text(page).count(f"\n{GROUPS}{{") == 3
    assert (
        value(page, f'{GROUPS}{{account_id="111122223333",region="us-east-1",security_group_id="__other__",event_name="__other__"') == "3"
    )
    assert value(page, f'awschange_exporter_series_limit{{family="{GROUPS}"}}') == "2"
    assert value(page, f'awschange_exporter_series_folded{{family="{GROUPS}"}}') == "3"


def test_a_store_that_fails_leaves_the_last_page_and_is_counted(store, make):
    """Otherwise a scrape fails, and with it everything else that the exporter could tell."""
    store.add(EVENTS, AUTHORIZE)
    exposition = make()
    exposition.page()
    store.add(EVENTS, AUTHORIZE)
    store.fails = True
    page = exposition.page()
    assert value(page, EVENTS) == "1"
    assert int(value(page, 'awschange_exporter_store_errors_total{operation="series"}') or 0) >= 1
    exposition.refresh()
    store.fails = False
    assert value(exposition.page(), EVENTS) == "2"


def test_a_store_that_was_never_read_is_no_empty_page(store, make):
    """Otherwise counters vanish for a scrape, and nobody is told."""
    store.add(EVENTS, AUTHORIZE)
    store.fails = True
    exposition = make()
    exposition.refresh()
    with pytest.raises(StoreError):
        exposition.page()
    store.fails = False
    assert value(exposition.page(), EVENTS) == "1"


def test_a_scrape_does_not_wait_for_a_long_refresh(store, make):
    """Otherwise Prometheus times out while the exporter digests an archive."""
    store.add(EVENTS, AUTHORIZE)
    exposition = make(patience=0.005)
    exposition.page()
    reading, go_on = threading.Event(), threading.Event()

    def slowly() -> None:
        reading.set()
        assert go_on.wait(PATIENT)

    store.before_series = slowly
    store.add(EVENTS, AUTHORIZE)
    try:
        assert value(exposition.page(), EVENTS) == "1", "the last complete page"
        assert reading.wait(PATIENT)
        assert value(exposition.page(), EVENTS) == "1", "and again, without a second refresh beside the first"
    finally:
        store.before_series = lambda: None
        go_on.set()
    exposition.refresh()
    assert value(exposition.page(), EVENTS) == "2"


def test_a_fault_in_a_refresh_is_not_hidden(store, make):
    """Otherwise the page stands still for ever, and looks well."""
    exposition = make()
    exposition.page()

    def fault() -> None:
        raise RuntimeError("a fault")

    store.before_series = fault
    store.add(EVENTS, AUTHORIZE)
    with pytest.raises(RuntimeError, match="a fault"):
        exposition.page()


def test_every_page_shows_one_state_of_the_store_while_it_changes(store, make):
    """Otherwise read = stored + duplicate + ignored + malformed does not hold within a scrape, and pages."""
    exposition = make(patience=0.005)
    stop = threading.Event()
    sums: list[tuple[float, float]] = []

    def ingest() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            fate = ("stored", "duplicate", "ignored", "malformed")[number % 4]
            store.add_all(
                [
                    (READ, ("files",), 3.0, None, None),
                    (FATES, ("files", fate, ""), 2.0, None, None),
                    (FATES, ("files", "stored", ""), 1.0, None, None),
                ]
            )
            if number % 50 == 0:
                exposition.refresh()

    def scrape(openmetrics: bool, compressed: bool) -> None:
        last = 0.0
        while not stop.is_set():
            page = text(exposition.page(openmetrics, compressed))
            read = float(value(page, f"{READ}{{") or 0)
            fates = sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(f"{FATES}{{"))
            sums.append((read, fates))
            assert read >= last
            last = read

    failures: list[BaseException] = []

    def guarded(work: Callable[..., None], *arguments: bool) -> None:
        try:
            work(*arguments)
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(ingest,))]
    threads += [threading.Thread(target=guarded, args=(scrape, *variant)) for variant in ((False, False), (False, True), (True, True))]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join(PATIENT)
    assert failures == []
    assert len(sums) > 10
    assert all(read == fates for read, fates in sums)
    exposition.refresh()
    assert value(exposition.page(), f"{READ}{{") == str(int(store.value(1)))


def test_what_nobody_asks_for_any_more_is_given_up_and_comes_back(store, make, clock):
    """Otherwise one look with a browser keeps 20 MB and costs time at every change."""
    store.add(EVENTS, AUTHORIZE)
    exposition = make()
    exposition.page(openmetrics=False)
    clock.now += 601
    exposition.page(openmetrics=True, gzip=True)
    store.add(EVENTS, AUTHORIZE)
    exposition.refresh()
    assert exposition._snapshot is not None
    assert set(exposition._snapshot.pages) == {(True, True)}
    assert set(exposition._sheets) == {True}
    assert value(exposition.page(), EVENTS) == "2"


def test_the_process_is_looked_at_once_a_second_at_most(store, make, clock):
    """Otherwise a scrape in a tight loop reads /proc each time, or process_* never change."""
    exposition = make()
    first = exposition.page()
    assert "process_cpu_seconds_total " in first.body.decode()
    clock.now += 0.9
    assert exposition.page() is first
    clock.now += 0.1
    second = exposition.page()
    assert second is not first
    assert exposition.page() is second
    clock.now -= 3600
    assert exposition.page() is not second, "a clock set back stops nothing"
