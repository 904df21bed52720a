"""The gauges of what stands: they vanish when closed, fold past their budget, and are the same on every replica."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter.checks import STATE_FAMILIES
from exporter.errors import StoreError
from exporter.families import OTHER, Family
from exporter.metrics import state
from exporter.metrics.chunks import CHUNK_LINES
from exporter.metrics.exposition import Exposition
from exporter.metrics.gzip_member import member
from exporter.metrics.state import StateBook
from exporter.metrics.tally import Tally
from exporter.metrics.telemetry import Telemetry
from exporter.model import Unit
from tests.series_store import SeriesStore

_LABELS = ("account_id", "region", "group")
OPEN = Family("open_rules", "gauge", "Open.", _LABELS, 3, ("group",))
OLDEST = Family("oldest_seconds", "gauge", "Oldest.", _LABELS, 1, ("region", "group"), update="min")
FULLEST = Family("fullest_ratio", "gauge", "Fullest.", _LABELS, 1, ("account_id", "region", "group"), update="max")
FAMILIES = (OPEN, OLDEST, FULLEST)
ONE, TWO, THREE = (Unit(account, "us-east-1") for account in ("111122223333", "444455556666", "777788889999"))


def book(budgets: dict[str, int] | None = None, families: Iterable[Family] = FAMILIES) -> StateBook:
    families = tuple(families)
    return StateBook(families, Tally(families, budgets or {}))


def rows(unit: Unit, values: dict[str, float], family: Family = OPEN) -> list[tuple[str, tuple[str, ...], float]]:
    """Return gauges of a unit by their last label."""
    return [(family.name, (unit.account_id, unit.region, group), value) for group, value in values.items()]


def shown(page: StateBook, family: Family = OPEN) -> list[tuple[str, str, str]]:
    """Return account, last label and value of each line of a family, in order."""
    lines = [line for line in page.text(openmetrics=False).decode().splitlines() if line.startswith(f"{family.name}{{")]
    return [(line.split('account_id="')[1].split('"')[0], line.split('group="')[1].split('"')[0], line.split("} ")[1]) for line in lines]


def counts(page: StateBook, family: Family = OPEN) -> list[str]:
    """Return what the metrics about a family say: shown, limit, folded."""
    text = b"".join(chunk.text(openmetrics=False) for chunk in page._tally.chunks()).decode()
    return [line.split()[-1] for line in text.splitlines() if f'family="{family.name}"' in line]


def test_a_series_is_shown_as_long_as_it_is_given():
    """Otherwise a rule that was closed pages on."""
    page = book()
    assert page.text(openmetrics=False) == b""
    page.apply({ONE: rows(ONE, {"a": 1, "b": 2})})
    assert shown(page) == [(ONE.account_id, "a", "1"), (ONE.account_id, "b", "2")]
    page.apply({ONE: rows(ONE, {"b": 3})})
    assert shown(page) == [(ONE.account_id, "b", "3")]
    assert counts(page) == ["1", "3", "0"]
    page.apply({ONE: []})
    assert page.text(openmetrics=False) == b"", "nothing, not even a header, as of other families"
    assert counts(page) == ["0", "3", "0"]
    page.apply({ONE: []})
    assert page.text(openmetrics=False) == b""


def test_one_unit_changes_no_other():
    """Otherwise an account that fails empties all of them."""
    page = book()
    page.apply({ONE: rows(ONE, {"a": 1}), TWO: rows(TWO, {"a": 5})})
    page.apply({ONE: []})
    assert shown(page) == [(TWO.account_id, "a", "5")]


def test_a_family_has_one_header_and_its_lines_stand_together():
    """Otherwise the page is no text format."""
    page = book({"open_rules": 1000})
    page.apply({unit: rows(unit, {"a": 1}) + rows(unit, {"a": 2}, OLDEST) for unit in (TWO, ONE)})
    assert page.text(openmetrics=False).decode() == (
        "# HELP open_rules Open.\n# TYPE open_rules gauge\n"
        'open_rules{account_id="111122223333",region="us-east-1",group="a"} 1\n'
        'open_rules{account_id="444455556666",region="us-east-1",group="a"} 1\n'
        "# HELP oldest_seconds Oldest.\n# TYPE oldest_seconds gauge\n"
        'oldest_seconds{account_id="111122223333",region="us-east-1",group="a"} 2\n'
        'oldest_seconds{account_id="444455556666",region="__other__",group="__other__"} 2\n'
    )


def test_past_the_budget_of_all_units_the_rest_is_one_sum_each():
    """Otherwise the account with most groups decides how long the page is."""
    page = book()
    page.apply({TWO: rows(TWO, {"e": 16, "d": 8}), ONE: rows(ONE, {"a": 1, "c": 4, "b": 2}), THREE: rows(THREE, {"f": 32})})
    assert shown(page) == [
        (ONE.account_id, "a", "1"),
        (ONE.account_id, "b", "2"),
        (ONE.account_id, "c", "4"),
        (TWO.account_id, OTHER, "24"),
        (THREE.account_id, OTHER, "32"),
    ]
    assert counts(page) == ["3", "3", "3"]
    page.apply({ONE: rows(ONE, {"a": 1})})
    assert shown(page)[-1] == (THREE.account_id, OTHER, "32")
    assert counts(page) == ["3", "3", "1"], "what closes makes room"


def test_what_is_folded_is_the_least_or_the_greatest_where_a_sum_says_nothing():
    """Otherwise two timestamps add up to the year 2112."""
    page = book()
    values = {"a": 50.0, "b": 30.5, "c": 40.0}
    page.apply({ONE: rows(ONE, values, OLDEST) + rows(ONE, values, FULLEST), TWO: rows(TWO, {"d": 90.0}, FULLEST)})
    assert shown(page, OLDEST) == [(ONE.account_id, "a", "50"), (ONE.account_id, OTHER, "30.5")]
    assert shown(page, FULLEST) == [(ONE.account_id, "a", "50"), (OTHER, OTHER, "90")]


def test_past_the_budget_of_sums_there_is_one_for_all():
    """Otherwise the sums themselves are without bound."""
    page = book({"open_rules": 2})
    units = [Unit(f"{number:012d}", "us-east-1") for number in range(1, 6)]
    page.apply({unit: rows(unit, {"a": 1, "b": 1}) for unit in units})
    assert shown(page) == [
        (units[0].account_id, "a", "1"),
        (units[0].account_id, "b", "1"),
        (units[1].account_id, OTHER, "2"),
        (units[2].account_id, OTHER, "2"),
        (OTHER, OTHER, "4"),
    ]


def test_a_budget_of_none_shows_sums_alone():
    """Otherwise a configured 0 is no bound."""
    page = book({"open_rules": 0})
    page.apply({ONE: rows(ONE, {"a": 1}), TWO: rows(TWO, {"b": 2})})
    assert shown(page) == [(OTHER, OTHER, "3")]


def test_a_series_under_the_labels_of_a_sum_is_in_the_sum():
    """Otherwise whoever names a trail so has the scrape refused for a series that stands there twice."""
    page = book()
    page.apply({ONE: rows(ONE, {OTHER: 100, "a": 1, "b": 2, "c": 3, "d": 4})})
    lines = shown(page)
    assert lines == [(ONE.account_id, "a", "1"), (ONE.account_id, "b", "2"), (ONE.account_id, "c", "3"), (ONE.account_id, OTHER, "104")]


def test_names_that_strangers_chose_break_no_line():
    """Otherwise the name of a group forges a series."""
    odd = 'x"} 1\nopen_rules{a="\\'
    page = book()
    page.apply({ONE: rows(ONE, {odd: 1, "a\u2028b": 2})})
    (family,) = parse_openmetrics(page.text(openmetrics=True).decode() + "# EOF\n")
    assert [sample.labels["group"] for sample in family.samples] == ["a\\u2028b", odd]


@pytest.mark.parametrize(
    "odd",
    [
        ("never_heard_of", (ONE.account_id, ONE.region, "a"), 1.0),
        (OPEN.name, (ONE.account_id, ONE.region), 1.0),
        (OPEN.name, (ONE.account_id, ONE.region, "a", "b"), 1.0),
        (OPEN.name, (TWO.account_id, TWO.region, "a"), 1.0),
    ],
    ids=["family", "too few labels", "too many labels", "another unit's"],
)
def test_what_this_version_does_not_know_is_passed_over(odd):
    """Otherwise an older replica cannot read what a newer one wrote, or one series stands on the page twice."""
    page = book()
    page.apply({ONE: [odd, *rows(ONE, {"b": 2})], TWO: rows(TWO, {"a": 7})})
    assert shown(page) == [(ONE.account_id, "b", "2"), (TWO.account_id, "a", "7")]


def test_what_did_not_change_is_not_spelled_again(monkeypatch):
    """Otherwise each reading of a large account costs as much as all of them."""
    page = book({"open_rules": 100_000})
    units = [Unit(f"{number:012d}", "us-east-1") for number in range(1, 41)]
    page.apply({unit: rows(unit, {f"sg-{number}": 1 for number in range(300)}) for unit in units})
    spelled, compressed = [], []
    number, compress = state.number, state.compress
    monkeypatch.setattr(state, "number", lambda value: spelled.append(value) or number(value))
    monkeypatch.setattr(state, "compress", lambda text: compressed.append(len(text)) or compress(text))
    page.block(openmetrics=False)
    whole = sum(compressed)
    version = page.version
    page.apply({units[7]: rows(units[7], {f"sg-{number}": 1 for number in range(300)})})
    assert (page.version, spelled) == (version, [])
    compressed.clear()
    page.apply({units[7]: rows(units[7], {f"sg-{number}": 1 + (number == 5) for number in range(300)})})
    assert (page.version, spelled) == (version + 1, [2.0])
    page.block(openmetrics=False)
    assert sum(compressed) < whole / 10
    compressed.clear()
    page.apply({units[7]: rows(units[7], {f"sg-{number}": 1 for number in range(1, 290)})})
    page.block(openmetrics=False)
    assert sum(compressed) < whole / 2, "lines more or less in one unit leave most stretches as they are"
    compressed.clear()
    page.block(openmetrics=False)
    assert compressed == []


_UNITS = st.sampled_from((ONE, TWO, THREE))
_SAMPLES = st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=5)


@given(st.lists(st.tuples(_UNITS, _SAMPLES), max_size=12), st.integers(0, 8), st.randoms())
def test_the_page_follows_from_what_the_store_has_now(changes, budget, chance):
    """Otherwise two replicas of one store disagree, or a restart shows another page."""
    lived = book({"open_rules": budget})
    now: dict[Unit, list] = {}
    for unit, values in changes:
        now[unit] = rows(unit, values)
        chance.shuffle(now[unit])
        lived.apply({unit: now[unit]})
        lived.text(openmetrics=False), lived.block(openmetrics=True)
    fresh = book({"open_rules": budget})
    fresh.apply(dict(sorted(now.items(), key=lambda _: chance.random())))
    for openmetrics in (False, True):
        assert lived.text(openmetrics) == fresh.text(openmetrics)
        assert gzip.decompress(member((lived.block(openmetrics),))) == fresh.text(openmetrics)
    assert counts(lived) == counts(fresh)
    total = sum(value for samples in now.values() for _, _, value in samples)
    assert sum(float(value) for *_, value in shown(fresh)) == total
    parsed = list(parse_openmetrics(fresh.text(openmetrics=True).decode() + "# EOF\n"))
    assert [family.name for family in parsed] == ([OPEN.name] if any(now.values()) else [])


def test_long_families_are_cut_into_stretches():
    """Otherwise one line more has everything compressed again."""
    page = book({"open_rules": 10_000})
    page.apply({ONE: rows(ONE, {f"{number:05d}": number for number in random.Random(7).sample(range(5000), 5000)})})
    text = page.text(openmetrics=False).decode()
    assert [line.split("} ")[1] for line in text.splitlines()[2:]] == [str(number) for number in range(5000)]
    assert len(page._pages[OPEN.name]._texts) == -(-5000 // CHUNK_LINES)


# With the exposition

NOW = 1_700_000_000.0
GAUGE = "awschange_security_groups"


def exposition(store: SeriesStore, *, states: bool = True, budgets: dict[str, int] | None = None) -> Exposition:
    return Exposition(store, budgets or {}, timedelta(0), lambda: NOW, Telemetry(), states=states, patience=30.0)


def groups(unit: Unit, value: float) -> list[tuple[str, tuple[str, ...], float]]:
    return [(GAUGE, (unit.account_id, unit.region), value)]


def value(text: str, start: str) -> str | None:
    lines = [line for line in text.splitlines() if line.startswith(start)]
    assert len(lines) <= 1
    return lines[0].split()[-1] if lines else None


def test_a_scrape_after_a_reading_shows_what_stands():
    """Otherwise the gauge is one scrape late."""
    store = SeriesStore()
    page = exposition(store)
    try:
        assert value(page.page().body.decode(), f"{GAUGE}{{") is None
        store.replace_samples(ONE, groups(ONE, 7))
        assert value(page.page().body.decode(), f"{GAUGE}{{") == "7"
        assert value(gzip.decompress(page.page(gzip=True).body).decode(), f"{GAUGE}{{") == "7"
        assert value(page.text(), f"{GAUGE}{{") == "7"
        first, reads = page.page(gzip=True), store.reads
        assert page.page(gzip=True) is first
        assert store.reads == reads
        store.replace_samples(ONE, ())
        assert value(page.page().body.decode(), f"{GAUGE}{{") is None
    finally:
        page.close()


def test_where_nothing_is_read_nothing_is_shown():
    """Otherwise gauges of a time when rules were still read stand on the page for ever."""
    store = SeriesStore()
    store.replace_samples(ONE, groups(ONE, 7))
    page = exposition(store, states=False)
    try:
        for text in (page.page().body.decode(), page.text()):
            assert GAUGE not in text
    finally:
        page.close()


def test_every_family_of_what_stands_has_its_budget_on_the_page():
    """Otherwise nobody learns that a family is folded."""
    store = SeriesStore()
    page = exposition(store, budgets={GAUGE: 1})
    try:
        store.replace_samples(ONE, groups(ONE, 7))
        store.replace_samples(TWO, groups(TWO, 5))
        text = page.page().body.decode()
    finally:
        page.close()
    assert value(text, f'{GAUGE}{{account_id="__other__",region="__other__"}}') == "5"
    for family in STATE_FAMILIES:
        assert value(text, f'awschange_exporter_series_limit{{family="{family.name}"}}') == (
            "1" if family.name == GAUGE else str(family.budget)
        )
    assert value(text, f'awschange_exporter_series_folded{{family="{GAUGE}"}}') == "1"


def test_a_reading_of_gauges_that_fails_is_counted_and_made_up_for():
    """Otherwise the page shows what stood an hour ago until something else changes."""
    store = SeriesStore()
    page = exposition(store)
    try:
        page.page()
        store.fails_samples = True
        store.replace_samples(ONE, groups(ONE, 7))
        text = page.page().body.decode()
        assert value(text, f"{GAUGE}{{") is None
        assert int(value(page.page().body.decode(), 'awschange_exporter_store_errors_total{operation="samples"}') or 0) >= 1
        store.fails_samples = False
        assert value(page.page().body.decode(), f"{GAUGE}{{") == "7", "although nothing has changed since"
    finally:
        page.close()


def test_gauges_that_were_never_read_are_no_empty_page():
    """Otherwise everything open looks closed for a scrape, and the alert resolves."""
    store = SeriesStore()
    store.replace_samples(ONE, groups(ONE, 7))
    store.fails_samples = True
    page = exposition(store)
    try:
        page.refresh()
        with pytest.raises(StoreError):
            page.page()
        store.fails_samples = False
        assert value(page.page().body.decode(), f"{GAUGE}{{") == "7"
    finally:
        page.close()
