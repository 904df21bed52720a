"""The units of a source as known now: incomplete is not empty, and what cannot be told has a name."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from exporter.errors import SourceError
from exporter.logs import make_logger
from exporter.sources.base import Batch, FetchContext, Roster, Source, SourceSettings, UnitFailure, key_of
from exporter.units import Change, Units

A, B, C = "111122223333", "444455556666", "123456789012"
EAST, WEST = "us-east-1", "eu-west-1"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
DENIED = SourceError("access_denied", "sts:AssumeRole denied; add it to the trust policy")


class FakeSource:
    """One unit that brings nothing."""

    name = "s3"

    def __init__(self, account_id: str, region: str) -> None:
        self.account_id, self.region = account_id, region

    def fetch(self, context: FetchContext) -> Iterator[Batch]:
        return iter(())


class Rig:
    """Units that are told what `answer` holds, at a time of its own."""

    def __init__(self, *earlier: tuple[str, str]) -> None:
        self.answer: Roster | Exception = Roster(())
        self.now = NOON
        self.log = io.StringIO()
        self.units = Units(
            SourceSettings(type="s3"),
            self._give,
            lambda: self.now,
            make_logger("error", "json", self.log),
            timedelta(minutes=10),
            [("s3", *unit) for unit in earlier],
        )

    def _give(self) -> Roster:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def ask(self, *units: tuple[str, str], failures: tuple[tuple[str, str], ...] = ()) -> Change:
        """Ask when these are told, as new Source objects."""
        sources: tuple[Source, ...] = tuple(FakeSource(*unit) for unit in units)
        self.answer = Roster(sources, tuple(UnitFailure(*unit, DENIED) for unit in failures))
        return self.units.ask()

    def fail(self, error: Exception = DENIED) -> Change:
        """Ask when nothing can be told."""
        self.answer = error
        return self.units.ask()

    def known(self) -> set[tuple[str, str]]:
        return {(source.account_id, source.region) for source in self.units.sources}


def keys(*units: tuple[str, str]) -> tuple[tuple[str, str, str], ...]:
    return tuple(sorted(("s3", *unit) for unit in units))


def test_units_come_and_go() -> None:
    """Accounts join and leave the organization without a restart."""
    rig = Rig()
    assert [key_of(source) for source in rig.ask((A, EAST), (A, WEST)).added] == [("s3", A, EAST), ("s3", A, WEST)]
    change = rig.ask((A, EAST), (B, EAST))
    assert [key_of(source) for source in change.added] == [("s3", B, EAST)]
    assert (change.gone, change.failures, change.retry) == (keys((A, WEST)), (), None)
    assert rig.known() == {(A, EAST), (B, EAST)}


def test_a_unit_that_is_told_again_keeps_its_source() -> None:
    """It may hold what it learned of its own pace."""
    rig = Rig()
    rig.ask((A, EAST))
    (before,) = rig.units.sources
    rig.ask((A, EAST), (B, EAST))
    assert rig.units.sources[0] is before


@pytest.mark.parametrize(
    ("failure", "kept"),
    [
        ((A, ""), {(A, EAST), (A, WEST)}),
        ((A, EAST), {(A, EAST)}),
        ((B, ""), set()),
        (("", ""), {(A, EAST), (A, WEST)}),
        (("", EAST), {(A, EAST)}),
    ],
)
def test_what_a_failure_may_hide_stays(failure: tuple[str, str], kept: set[tuple[str, str]]) -> None:
    """An account whose regions cannot be told for an hour must be polled in that hour; one that left must not."""
    rig = Rig()
    rig.ask((A, EAST), (A, WEST), (C, EAST))
    change = rig.ask((C, EAST), failures=(failure,))
    assert rig.known() == {(C, EAST), *kept}
    assert set(change.gone) == set(keys((A, EAST), (A, WEST))) - set(keys(*kept))
    assert [(found.key, found.error) for found in change.failures] == [(("s3", *failure), DENIED)]


def test_nothing_is_gone_when_nothing_can_be_told() -> None:
    """Organizations throttles now and then; 200 accounts must not fall silent by it."""
    rig = Rig()
    rig.ask((A, EAST), failures=((B, ""),))
    rig.now += timedelta(minutes=10)
    change = rig.fail()
    assert (change.added, change.gone) == ((), ())
    assert [found.key for found in change.failures] == [("s3", "", "")]
    assert rig.known() == {(A, EAST)}
    assert rig.units.shown() == frozenset(keys((A, EAST), (B, ""), ("", "")))
    assert rig.ask((A, EAST), (B, EAST)).gone == keys((B, ""), ("", "")), "failures that are over leave the page"
    assert rig.units.shown() == frozenset(keys((A, EAST), (B, EAST)))


def test_a_failure_that_is_over_does_not_take_a_unit_of_its_name_away() -> None:
    """A queue spans all accounts, so that its key is the one under which a failure of everything is shown."""
    rig = Rig()
    rig.ask(("", ""))
    rig.fail()
    assert rig.ask(("", "")).gone == ()
    assert rig.units.shown() == frozenset(keys(("", "")))


def test_how_long_a_failure_lasts_is_told_from_when_it_was_not_there() -> None:
    """One failed question in a good year must not page as a source that was never read."""
    rig = Rig()
    assert rig.fail().failures[0].fine_until is None
    rig.ask((A, EAST))
    rig.now += timedelta(hours=1)
    assert rig.fail().failures[0].fine_until == NOON
    rig.now += timedelta(hours=1)
    assert rig.fail().failures[0].fine_until == NOON
    (found,) = rig.ask((A, EAST), failures=((B, ""),)).failures
    assert found.fine_until == NOON
    rig.now += timedelta(hours=1)
    (found,) = rig.ask((A, EAST), failures=((B, ""),)).failures
    assert found.fine_until == NOON


def test_a_failure_is_asked_about_again_soon_and_then_more_seldom() -> None:
    """A role that is created a minute late must not wait for ten; one that never is must not be asked for each second."""
    rig = Rig()
    waits = [rig.fail().retry for _ in range(4)] + [rig.ask((A, EAST), failures=((B, ""),)).retry for _ in range(3)]
    assert waits == [timedelta(seconds=wait) for wait in (30, 60, 120, 240, 480, 600, 600)]
    assert rig.ask((A, EAST)).retry is None
    assert rig.fail().retry == timedelta(seconds=30)


def test_a_fault_of_our_own_is_a_failure_like_any_other() -> None:
    """A bug in one source must not end the others."""
    rig = Rig()
    rig.ask((A, EAST))
    change = rig.fail(ZeroDivisionError("boom"))
    assert [(found.error.reason, str(found.error)) for found in change.failures] == [("internal", "ZeroDivisionError: boom")]
    assert "ZeroDivisionError" in json.loads(rig.log.getvalue())["exception"]
    assert rig.known() == {(A, EAST)}


def test_what_an_earlier_configuration_showed_stays_until_it_is_known_to_be_gone() -> None:
    """A reload that took all units off the page until they are told anew would blink in every graph."""
    rig = Rig((A, EAST), (B, EAST), (C, EAST))
    assert rig.units.shown() == frozenset(keys((A, EAST), (B, EAST), (C, EAST)))
    rig.fail()
    assert rig.ask((A, EAST), failures=((C, ""),)).gone == keys((B, EAST), ("", ""))
    assert rig.units.shown() == frozenset(keys((A, EAST), (C, EAST), (C, "")))
    assert rig.known() == {(A, EAST)}
