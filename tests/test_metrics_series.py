"""Births, holds and folds: which series the page shows, and at which value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.families import OTHER, Family
from exporter.metrics.chunks import CHUNK_LINES
from exporter.metrics.series import SeriesBook
from exporter.metrics.tally import Tally
from exporter.store.base import SeriesRow

HELD = Family("held_total", "counter", "Held.", ("account_id", "principal"), 3, ("principal",))
FREE = Family("free_total", "counter", "Not held.", ("account_id", "principal"), 3, ("principal",), held=False)
FIRST = Family("first_seconds", "gauge", "First.", ("principal",), 1, ("principal",), update="min", held=False)
LAST = Family("last_seconds", "gauge", "Last.", ("principal",), 1, ("principal",), update="max", held=False)
FAMILIES = (HELD, FREE, FIRST, LAST)
HOLD = 120.0


def row(key: int, value: float, principal: str = "", family: Family = HELD, exposed_at: float | None = None, **rest: Any) -> SeriesRow:
    """Return a series of the one account, or of no account where the family has no such label."""
    labels = ("111122223333", principal or f"role/{key}")[-len(family.labels) :]
    return SeriesRow(key, family.name, labels, value, **{"event_id": None, "event_time": None, "exposed_at": exposed_at} | rest)


def book(hold: float = HOLD, budgets: dict[str, int] | None = None, **rest: Any) -> SeriesBook:
    return SeriesBook(FAMILIES, Tally(FAMILIES, budgets or {}), hold, **rest)


def shown(page: SeriesBook, openmetrics: bool = False) -> dict[str, str]:
    """Return the samples of the families above, by their last label."""
    lines = [line for line in page.text(openmetrics).decode().splitlines() if not line.startswith("#")]
    return {line.split('principal="')[1].split('"')[0]: line.split("} ", 1)[1] for line in lines}


def gauge(page: SeriesBook, name: str, family: Family = HELD) -> str:
    """Return one of the metrics about the families."""
    (line,) = [
        line
        for chunk in page._tally.chunks()
        for line in chunk.text(openmetrics=False).decode().splitlines()
        if line.startswith(f'awschange_exporter_{name}{{family="{family.name}"}}')
    ]
    return line.split()[-1]


def test_a_new_counter_is_shown_at_zero_until_it_has_stood_for_the_hold():
    """Otherwise increase() misses the first change of every group by every principal."""
    page = book()
    page.apply([row(1, 1)], now=1000)
    assert shown(page) == {"role/1": "0"}
    assert page.unexposed == (1,)
    page.settle(now=1_000_000)
    assert shown(page) == {"role/1": "0"}, "time alone does not end a hold: nobody may have scraped"
    page.exposed([1], at=2000, now=2001)
    assert page.unexposed == ()
    assert page.next_due == 2120
    page.settle(now=2119.9)
    assert shown(page) == {"role/1": "0"}
    page.settle(now=2120)
    assert shown(page) == {"role/1": "1"}
    page.apply([row(1, 5)], now=2121)
    assert shown(page) == {"role/1": "5"}, "from then on it follows at once"


def test_a_zero_that_was_shown_long_ago_increments_at_once():
    """Otherwise the paging counters are two minutes late."""
    page = book()
    page.apply([row(1, 0, exposed_at=1000)], now=2000)
    page.apply([row(1, 1, exposed_at=1000)], now=2001)
    assert shown(page) == {"role/1": "1"}


def test_a_restart_finds_a_hold_that_is_over_or_under_way():
    """Otherwise a counter falls back to 0, which Prometheus takes for a reset and counts all of it again."""
    page = book()
    page.apply([row(1, 4, exposed_at=1000), row(2, 7, exposed_at=1990)], now=2000)
    assert shown(page) == {"role/1": "4", "role/2": "0"}
    page.settle(now=2110)
    assert shown(page) == {"role/1": "4", "role/2": "7"}


def test_a_clock_set_back_takes_no_value_away():
    """Otherwise a correction of the clock looks like a reset of every young counter."""
    page = book()
    page.apply([row(1, 4, exposed_at=1000)], now=2000)
    page.apply([row(1, 5, exposed_at=1000)], now=1001)
    page.settle(now=1001)
    assert shown(page) == {"role/1": "5"}


def test_what_was_shown_while_the_clock_was_ahead_is_not_held_until_that_time_comes():
    """A machine that boots years ahead and is set right would hold every paging counter at 0 for those years."""
    page = book()
    page.apply([row(1, 3, exposed_at=2_000_000_000), row(2, 5)], now=1_000_000_000)
    assert shown(page) == {"role/1": "3", "role/2": "0"}, "a restart after the clock was set right"
    page.exposed([2], at=1_000_000_000, now=1_000_000_001)
    assert shown(page)["role/2"] == "0"
    page.settle(now=900_000_000)
    assert shown(page)["role/2"] == "5", "set back while a hold was under way"
    page.apply([row(3, 7)], now=900_000_001)
    page.exposed([3], at=900_000_001, now=900_000_001)
    page.settle(now=900_000_120)
    assert shown(page)["role/3"] == "0", "later holds are as long as ever"
    page.settle(now=900_000_121)
    assert shown(page)["role/3"] == "7"


def test_without_a_hold_every_value_is_shown_at_once_and_still_marked():
    """Otherwise a hold configured later lets every counter fall to 0."""
    page = book(hold=0)
    page.apply([row(1, 4)], now=1000)
    assert shown(page) == {"role/1": "4"}
    assert page.unexposed == (1,)


def test_families_that_are_not_held_show_their_value_at_once():
    """Otherwise the record counts do not add up on the page."""
    page = book()
    page.apply([row(1, 4, family=FREE)], now=1000)
    assert shown(page) == {"role/1": "4"}
    assert page.unexposed == ()


def test_what_a_page_before_this_one_showed_is_not_held_again():
    """Otherwise a reload that raises metrics.birth_hold lets young counters fall to 0."""
    old = book(hold=10)
    old.apply([row(1, 4, exposed_at=1000), row(2, 1, exposed_at=1005)], now=1011)
    page = book(hold=600, released=old.released())
    page.apply([row(1, 4, exposed_at=1000), row(2, 1, exposed_at=1005)], now=1012)
    assert shown(page) == {"role/1": "4", "role/2": "0"}


def test_past_the_budget_series_are_summed_in_order_of_birth():
    """Otherwise one loop over made-up names fills Prometheus' memory."""
    page = book()
    page.apply([row(key, key, family=FREE) for key in range(1, 7)], now=0)
    assert shown(page) == {"role/1": "1", "role/2": "2", "role/3": "3", OTHER: "15"}
    page.apply([row(2, 20, family=FREE), row(5, 50, family=FREE)], now=0)
    assert shown(page) == {"role/1": "1", "role/2": "20", "role/3": "3", OTHER: "60"}
    assert [gauge(page, name, FREE) for name in ("series", "series_limit", "series_folded")] == ["3", "3", "3"]


def test_labels_that_are_not_folded_stay():
    """Otherwise the sum of one account hides in that of another."""
    page = book(budgets={FREE.name: 2})
    elsewhere = replace(row(4, 4, family=FREE), labels=("444455556666", "x"))
    page.apply([*(row(key, key, family=FREE) for key in (1, 2)), row(3, 2, family=FREE), elsewhere], now=0)
    text = page.text(openmetrics=False).decode()
    assert f'free_total{{account_id="111122223333",principal="{OTHER}"}} 2\n' in text
    assert f'free_total{{account_id="444455556666",principal="{OTHER}"}} 4\n' in text


def test_sums_are_bounded_too():
    """Otherwise made-up accounts get past the budget through the label that is kept."""
    page = book()
    page.apply([replace(row(key, 1, family=FREE), labels=(str(key), "x")) for key in range(1, 101)], now=0)
    lines = [line for line in page.text(openmetrics=False).decode().splitlines() if line.startswith("free_total")]
    assert len(lines) == 3 + 3 + 1
    assert lines[-1] == f'free_total{{account_id="{OTHER}",principal="{OTHER}"}} 94'


def test_a_name_that_spells_the_sum_joins_it():
    """Otherwise a stranger who calls a role __other__ makes a series stand twice."""
    page = book()
    page.apply([row(1, 5, principal=OTHER, family=FREE), *(row(key, 1, family=FREE) for key in range(2, 7))], now=0)
    assert shown(page) == {"role/2": "1", "role/3": "1", "role/4": "1", OTHER: "7"}
    assert page.text(openmetrics=False).count(b'"__other__"') == 1


def test_gauges_fold_to_the_first_and_the_last():
    """Otherwise times are added up."""
    page = book()
    page.apply([row(1, 10, "a", FIRST), row(2, 30, "b", FIRST), row(3, 20, "c", FIRST)], now=0)
    assert shown(page) == {"a": "10", OTHER: "20"}
    page.apply([row(2, 15, "b", FIRST)], now=0)
    assert shown(page) == {"a": "10", OTHER: "15"}
    page = book()
    page.apply([row(1, 10, "a", LAST), row(2, 30, "b", LAST), row(3, 20, "c", LAST)], now=0)
    assert shown(page) == {"a": "10", OTHER: "30"}


def test_a_sum_is_born_at_zero_once():
    """Otherwise the first folded change is invisible to increase(), or each later one is late."""
    page = book(budgets={HELD.name: 1})
    page.apply([row(1, 1), row(2, 1), row(3, 1)], now=0)
    assert shown(page) == {"role/1": "0", OTHER: "0"}
    assert page.unexposed == (1, 2, 3)
    page.exposed([1, 2, 3], at=10, now=11)
    page.settle(now=130)
    assert shown(page) == {"role/1": "1", OTHER: "2"}
    page.apply([row(4, 3)], now=131)
    assert shown(page)[OTHER] == "5", "the sum is there already, so increase() sees it grow"
    assert page.unexposed == (4,)
    again = book(budgets={HELD.name: 1})
    again.apply([row(1, 1, exposed_at=10), row(2, 1, exposed_at=10), row(3, 1, exposed_at=10), row(4, 3)], now=132)
    assert shown(again) == shown(page), "a restart finds the same"


def test_a_family_without_series_is_not_on_the_page():
    """Otherwise the page is full of headers about nothing."""
    page = book()
    assert b"held_total " not in page.text(openmetrics=False)
    page.apply([row(1, 1)], now=0)
    assert page.text(openmetrics=False).startswith(b"# HELP held_total Held.\n# TYPE held_total counter\nheld_total{")


def test_rows_that_this_version_does_not_know_are_passed_over():
    """Otherwise a store written by another version breaks every scrape."""
    page = book()
    page.apply(
        [SeriesRow(1, "gone_total", ("a",), 1, None, None, None), SeriesRow(2, HELD.name, ("one label",), 1, None, None, None), row(3, 1)],
        now=0,
    )
    assert shown(page) == {"role/3": "0"}
    assert page.unexposed == (3,)


def test_exemplars_stand_on_counters_that_show_their_value_in_openmetrics():
    """Otherwise the text format is broken, or a counter at 0 names an event."""
    page = book()
    page.apply(
        [
            row(1, 2, event_id="e1", event_time=5.5),
            row(2, 3, family=FREE, event_id="e2", event_time=6.0),
            row(9, 7, "p", FIRST, event_id="e3"),
        ],
        now=0,
    )
    assert shown(page, openmetrics=True) == {"role/1": "0", "role/2": '3 # {event_id="e2"} 1 6', "p": "7"}
    assert shown(page) == {"role/1": "0", "role/2": "3", "p": "7"}
    page.exposed([1], at=0, now=HOLD)
    assert shown(page, openmetrics=True)["role/1"] == '2 # {event_id="e1"} 1 5.5'


def test_the_version_grows_only_when_the_page_changes():
    """Otherwise a scrape pays for what has not changed."""
    page = book()
    page.apply([row(1, 1)], now=0)
    version = page.version
    page.apply([row(1, 2)], now=1)
    page.exposed([1], at=1, now=2)
    assert page.version == version, "still 0 on the page"
    page.settle(now=1000)
    assert page.version > version


@pytest.mark.parametrize("count", [CHUNK_LINES - 1, CHUNK_LINES, CHUNK_LINES + 1, 3 * CHUNK_LINES])
def test_chunks_hold_every_line_once_and_follow_changes(count):
    """Otherwise a series at the edge of a chunk is lost, doubled or left behind."""
    page = book(hold=0, budgets={FREE.name: 10_000})
    page.apply([row(key, key, family=FREE) for key in range(1, count)], now=0)
    page.text(openmetrics=False), page.block(openmetrics=False)
    page.apply([row(count, count, family=FREE), row(1, 1000, family=FREE)], now=0)
    values = shown(page)
    assert len(values) == count
    assert values["role/1"] == ("1000" if count > 1 else "1")
    assert values[f"role/{count}"] == str(count)
    block = page.block(openmetrics=False)
    assert block.size == len(page.text(openmetrics=False))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(1, 8)),
        st.tuples(st.just("scrape"), st.booleans()),
        st.tuples(st.just("wait"), st.integers(1, 200)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=40,
)


@given(STEPS)
def test_whoever_adds_up_what_scrapes_see_grow_has_every_change(steps):
    """Otherwise increase() misses changes, or counts some twice: in any order of changes, scrapes, lost scrapes and restarts."""
    values: dict[int, float] = {}
    exposed: dict[int, float] = {}
    ids: dict[int, int] = {}
    seen: dict[str, float] = {}
    grown = clock = 0.0

    def rows(keys: list[int]) -> list[SeriesRow]:
        return [row(key, values[key], f"role/{key}", exposed_at=exposed.get(key)) for key in sorted(keys)]

    def scrape(page: SeriesBook, kept: bool) -> None:
        nonlocal grown
        page.settle(clock)
        now_shown = {name: float(value) for name, value in shown(page).items()}
        for name, value in now_shown.items():
            # As increase(): the first sample of a series counts for nothing, a fall is a reset.
            before = seen.get(name, value)
            assert value >= before, "a counter fell"
            grown += value - before
        seen.update(now_shown)
        if kept:
            pending = page.unexposed
            exposed.update(dict.fromkeys(pending, clock))
            page.exposed(pending, clock, clock)

    page = book()
    for step, argument in [*steps, ("scrape", True), ("wait", 1000), ("scrape", True), ("restart", None), ("scrape", True)]:
        if step == "change":
            key = ids.setdefault(argument, len(ids) + 1)
            values[key] = values.get(key, 0.0) + 1
            page.apply(rows([key]), clock)
        elif step == "scrape":
            scrape(page, argument)
        elif step == "wait":
            clock += argument
        else:
            page = book()
            page.apply(rows(list(values)), clock)
    assert grown == sum(values.values())
    assert sum(seen.values()) == sum(values.values())
