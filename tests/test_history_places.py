"""One timeline of several places: each event once, the fullest telling of it, in order, cut where it must be, and no failure unsaid."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from exporter.catalog import Watch
from exporter.errors import SourceError, StoreError
from exporter.history.config_actors import Beside
from exporter.history.event_history import EventHistory
from exporter.history.lookups import lookups
from exporter.history.places import Answer, Place, Progress, behind, latest, merged
from exporter.history.several import search_all
from exporter.history.store_place import StorePlace
from exporter.logs import make_logger
from exporter.model import ChangeEvent
from exporter.store.base import HistoryEvent, Position, Query
from tests.cloudtrail_history import History, at
from tests.store_events import NOON, addendum, make_event

NOW = NOON + timedelta(hours=1)


def found(event: ChangeEvent, *sources: str, live: bool = False) -> HistoryEvent:
    """Return an event as some places tell it."""
    return HistoryEvent(event, NOW, live, sources)


def ids(answer: Answer) -> list[str]:
    """Return the ids of the events, as they stand."""
    return [item.event.event_id for item in answer.events]


class Telling:
    """A place that tells what a test gives it."""

    def __init__(self, name: str, *events: ChangeEvent, error: Exception | None = None, then: Callable[[], None] = lambda: None) -> None:
        self.name, self._events, self._error, self._then = name, events, error, then
        self.asked: list[Query] = []
        self.closed = threading.Event()

    def search(self, query: Query, now: datetime, progress: Progress) -> Answer:
        """Tell the newest, or fail."""
        self.asked.append(query)
        progress(0, 1, 0)
        self._then()
        if self._error is not None:
            raise self._error
        newest = sorted(self._events, key=lambda event: (event.event_time, event.event_id), reverse=True)
        progress(1, 1, len(newest))
        return Answer([HistoryEvent(event, now, live=self.name == "store", sources=(self.name,)) for event in newest[: query.limit]])

    def close(self) -> None:
        """Be closed."""
        self.closed.set()


def search(*places: Place, query: Query | None = None, beside: Beside | None = None) -> Answer:
    """Ask places together."""
    return search_all(places, query or Query(), NOW, lambda _place: lambda _done, _all, _events: None, beside)


def minutes(number: int, minute: int) -> ChangeEvent:
    """Return an event some minutes before noon."""
    return make_event(number, event_time=NOON - timedelta(minutes=minute))


# Merging answers.


def test_an_event_that_two_places_tell_stands_once_with_both_names():
    """Twice, it reads as two deeds; and what is stored says whether it counted, which AWS does not know."""
    event = make_event(1)
    answer = merged(
        [Answer([found(event, "trail", live=True)]), Answer([found(replace(event, channel=event.channel), "cloudtrail")])], Query()
    )
    assert answer.events == [HistoryEvent(event, NOW, True, ("trail", "cloudtrail"))]


def test_an_addendum_that_one_place_has_is_the_fuller_telling_whoever_is_first():
    """CloudTrail delivers what it had left out afterwards: a place that was read before lacks it."""
    event = make_event(1)
    fuller = addendum(event)
    for answers in ([found(event, "a")], [found(fuller, "b")]), ([found(fuller, "b")], [found(event, "a")]):
        (item,) = merged([Answer(answers[0]), Answer(answers[1])], Query()).events
        assert item.event == fuller
        assert item.sources == tuple(source for answer in answers for source in answer[0].sources)


def test_the_newest_stand_first_and_ids_decide_within_a_moment():
    """The same question must show the same order twice, or a page shows an event twice."""
    events = [make_event(number, event_time=NOON - timedelta(minutes=number % 3)) for number in range(12)]
    one, other = Answer([found(event, "a") for event in events[::2]]), Answer([found(event, "b") for event in events[1::2]])
    expected = [event.event_id for event in sorted(events, key=lambda event: (event.event_time, event.event_id), reverse=True)]
    assert ids(merged([one, other], Query())) == ids(merged([other, one], Query())) == expected


def test_a_page_is_cut_from_the_whole_and_pages_hold_everything_once():
    """Cut from each place by itself, a page would lack what another place has of its time."""
    events = [minutes(number, number) for number in range(20)]
    answers = [Answer([found(event, "a") for event in events[::3]]), Answer([found(event, "b") for event in events])]
    pages = [ids(merged(answers, Query(limit=7, offset=offset))) for offset in (0, 7, 14, 21)]
    assert [len(page) for page in pages] == [7, 7, 6, 0]
    assert [event_id for page in pages for event_id in page] == [event.event_id for event in events]


def test_problems_and_notes_of_all_places_are_kept_each_once():
    """What is missing must be said, and twice the same says no more."""
    answer = merged([Answer(problems=["a", "b"], notes=["n"]), Answer(problems=["b", "c"], notes=["n", "m"])], Query())
    assert (answer.problems, answer.notes) == (["a", "b", "c"], ["n", "m"])


def test_behind_a_position_is_what_merged_shows_after_it():
    """A page that begins behind the last event of the one before shows none twice and leaves none out, within one second too."""
    events = [make_event(number, event_time=NOON - timedelta(minutes=number // 4)) for number in range(12)]
    newest = merged([Answer([found(event, "a") for event in events])], Query()).events
    for place, item in enumerate(newest):
        position = Position(item.event.event_time, item.event.event_id)
        assert [other for other in newest if behind(other.event, position)] == newest[place + 1 :]
    assert all(behind(item.event, None) for item in newest)
    assert latest(Query(until=NOON, after=Position(NOON - timedelta(1), "x")), NOW) == NOON - timedelta(1)
    assert latest(Query(until=NOW + timedelta(1)), NOW) == NOW


# Asking several places.


def test_all_places_are_asked_at_the_same_time_for_as_many_as_the_page_may_need():
    """One after the other, Athena's minute would come on top of Event history's; for fewer, the page would lack events."""
    both = threading.Barrier(2, timeout=30)
    one, other = (Telling(name, *(minutes(number, number) for number in range(9)), then=both.wait) for name in ("store", "cloudtrail"))
    answer = search(one, other, query=Query(limit=3, offset=2))
    assert ids(answer) == [minutes(number, number).event_id for number in (2, 3, 4)]
    assert [(query.limit, query.offset) for place in (one, other) for query in place.asked] == [(5, 0), (5, 0)]
    assert {item.sources for item in answer.events} == {("store", "cloudtrail")}


def test_one_that_fails_is_a_problem_and_the_others_are_shown():
    """An answer without one place is better than none, if it says so."""
    answer = search(Telling("store", make_event(1)), Telling("athena", error=SourceError("access_denied", "no")))
    assert (len(answer.events), answer.problems) == (1, ["athena: no"])


def test_a_single_place_that_fails_raises():
    """There is nothing to show beside it."""
    with pytest.raises(SourceError):
        search(Telling("athena", error=SourceError("access_denied", "no")))


def test_a_fault_of_ours_is_no_problem_of_a_place():
    """It must be seen as what it is, and not as AWS's."""
    with pytest.raises(ZeroDivisionError):
        search(Telling("store"), Telling("athena", error=ZeroDivisionError()))


def test_the_last_place_may_wait_for_what_the_others_tell():
    """AWS Config joins its items to the events that stand in the same timeline."""
    beside, told = Beside(), []
    event = make_event(1)
    last = Telling("aws-config", then=lambda: told.append(beside.events()))
    search(Telling("store", event), Telling("athena", error=SourceError("access_denied", "no")), last, beside=beside)
    assert [[item.event for item in events.values()] for events in told] == [[event]]


def test_an_interrupt_reaches_every_place_that_still_reads():
    """A scan in another thread hears no Ctrl-C, and would go on asking AWS."""
    reading, stopped = threading.Event(), threading.Event()

    class Scanning(Telling):
        def search(self, query: Query, now: datetime, progress: Progress) -> Answer:
            try:
                while True:
                    progress(1, 0, 1)
                    reading.set()
            except KeyboardInterrupt:
                stopped.set()
                raise

    def interrupt() -> None:
        assert reading.wait(30)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        search(Telling("store", then=interrupt), Scanning("files"))
    assert stopped.wait(30)


def test_the_store_is_a_place_and_one_that_cannot_be_read_a_problem():
    """Beside Event history, a broken store must not end the question."""

    class Broken:
        closed = False

        def search(self, query: Query) -> list[HistoryEvent]:
            raise StoreError("it is broken")

        def close(self) -> None:
            self.closed = True

    store = Broken()
    place = StorePlace(store)  # type: ignore[arg-type]
    assert place.search(Query(), NOW, lambda _done, _all, _events: None).problems == ["it is broken"]
    place.close()
    assert store.closed


# What LookupEvents answers of what every place is asked.


def event_history(side: History) -> EventHistory:
    """Return Event history over a fake."""
    return EventHistory([side], Watch(), lambda _changes: (), make_logger("error", "console"), sleep=lambda _seconds: None)


def busy() -> History:
    """Return a fake in which something happened every second, thrice."""
    side = History(page=4)
    for number in range(90):
        side.add(side.now - 100 - number // 3)
    return side


def test_event_history_goes_on_behind_a_position():
    """A page that begins anew for each place would show one of them twice."""
    side = busy()
    query = Query(event_names=("AuthorizeSecurityGroupIngress",), limit=1000)
    whole = ids(event_history(side).search(query, at(side.now)))
    assert len(whole) == 90
    on, pages = None, []
    for _ in range(20):
        page = event_history(side).search(replace(query, limit=7, after=on), at(side.now)).events
        if not page:
            break
        pages += [item.event.event_id for item in page]
        on = Position(page[-1].event.event_time, page[-1].event.event_id)
    assert pages == whole


def test_event_history_finds_events_by_id_and_words():
    """The link of an alert names an event; a person knows a word of it."""
    side = busy()
    wanted = side.events[5].event_id
    side.asked.clear()
    answer = event_history(side).search(Query(event_ids=(wanted, "hash:00000000000000000000000000000000")), at(side.now))
    assert ids(answer) == [wanted]
    # The second looks for a fuller version, which has an id of its own, in the very second.
    assert [request["LookupAttributes"][0]["AttributeKey"] for request in side.asked] == ["EventId", "EventName"]
    assert side.asked[0]["LookupAttributes"] == [{"AttributeKey": "EventId", "AttributeValue": wanted}]
    assert side.asked[1]["StartTime"] == side.asked[1]["EndTime"]
    named = Query(event_names=("AuthorizeSecurityGroupIngress",))
    assert len(event_history(side).search(replace(named, text="ROOT sg-0123"), at(side.now)).events) == 90
    assert event_history(side).search(replace(named, text="root nobody"), at(side.now)).events == []
    assert lookups(Query(event_ids=("a", "a", "hash:b")), [("x", "y")]) == (("EventId", "a"),)
