"""The walk through Event history, on a clock of its own: nothing is lost, whatever cuts it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.errors import AwsError
from exporter.families import GAP_SECONDS, GAPS
from tests.cloudtrail_history import ACCOUNT, DAY, EC2, REGION, START, WATCHED, History, Keeper, at, raising, refused, throttled

NO_PAST: dict[str, Any] = {"backfill": "0s", "rescans": []}
LABELS = ("cloudtrail", ACCOUNT, REGION)


def minutes(count: float) -> float:
    """Return minutes in seconds."""
    return count * 60


def test_a_quiet_poll_is_one_call() -> None:
    """Two hundred accounts and regions with a dozen names each would use up every limit for nothing."""
    history = History()
    keeper = Keeper(history)
    assert keeper.poll() is None
    for _ in range(5):
        history.now += 60
        history.asked.clear()
        assert keeper.poll() is None
        assert [request["LookupAttributes"] for request in history.asked] == [[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}]]


def test_what_happens_between_polls_is_stored_once() -> None:
    """The first thing that must work."""
    history = History()
    keeper = Keeper(history)
    assert keeper.poll() is None
    for _ in range(20):
        history.add(history.now + 10)
        history.now += 60
        assert keeper.poll() is None
    assert keeper.missing() == set()
    assert keeper.late == set()


def test_the_past_is_filled_and_then_left_alone() -> None:
    """A first start without the past shows an empty history; one that reads it every minute is a load."""
    history = History()
    for day in range(0, 95, 5):
        history.add(START - day * DAY - 3600)
    keeper = Keeper(history)
    assert keeper.poll() is None
    expected = {event.event_id for event in history.events if event.time >= START - 90 * DAY + 60}
    assert set(keeper.stored) == expected
    assert keeper.late == set()
    # Told once, with the last batch: from then on it is known that nothing else happened.
    assert [batch.watched_since for batch in keeper.batches if batch.watched_since] == [at(START - 90 * DAY)]
    assert keeper.batches[-1].watched_since
    asked = len(history.asked)
    history.now += 60
    assert keeper.poll() is None
    assert len(history.asked) == asked + 1


def test_the_past_is_read_within_its_budget_and_ends_in_the_end() -> None:
    """In `serve` the past must not keep the present waiting, nor must it stay unfinished."""
    history = History(page=5)
    for minute in range(600):
        history.add(START - 7200 - minute * 60)
    keeper = Keeper(history, budget=timedelta(seconds=2), settings={"rescans": []})
    polls = 0
    while keeper.missing() and polls < 100:
        begun = history.now
        assert keeper.poll(kill=lambda polls=polls: polls % 7 == 3) is None
        assert history.now - begun < 8
        history.now = max(history.now, begun + 60)
        polls += 1
        if polls % 7 == 4:
            keeper.restart()
    assert keeper.missing() == set()
    assert polls > 10
    assert keeper.batches[-1].watched_since == at(START - 90 * DAY)
    assert not any(batch.watched_since for batch in keeper.batches[:-5])


def test_a_cut_walk_keeps_its_events_and_leaves_the_watermark() -> None:
    """What was walked newest first has a hole behind it; a watermark that passed it would lose the hole for good."""
    history = History(page=10)
    keeper = Keeper(history, settings=NO_PAST)
    assert keeper.poll() is None
    watermark = keeper.live()["watermark"]
    for second in range(40):
        history.add(history.now + second)
    history.now += 60
    history.fault = raising(None, None, AwsError("unavailable", "the connection was dropped"))
    error = keeper.poll()
    assert error is not None
    assert error.reason == "unavailable"
    assert len(keeper.stored) == 20
    assert keeper.live()["watermark"] == watermark
    assert keeper.poll() is None
    assert keeper.missing() == set()
    assert keeper.live()["watermark"] > watermark


def test_a_long_outage_is_made_good_oldest_first() -> None:
    """A watermark that only moves when three days are read in one go never moves where each poll is cut short."""
    history = History(page=10)
    keeper = Keeper(history, settings={**NO_PAST, "strategy": "sweep"})
    assert keeper.poll() is None
    for minute in range(3 * 24 * 60):
        history.add(history.now + minute * 60)
    history.now += 3 * DAY
    marks = [keeper.live()["watermark"]]
    for _ in range(200):
        left = [12]

        def cut(_request: object, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise AwsError("unavailable", "cut")

        history.fault = cut
        if keeper.poll() is None:
            break
        marks.append(keeper.live()["watermark"])
    assert keeper.missing() == set()
    assert len(set(marks)) > 5
    assert marks == sorted(marks)


def test_an_expired_token_starts_again_from_the_second_that_was_reached() -> None:
    """More than a page of events in one second, and the token gone in the middle of it: what stands behind must not be skipped."""
    history = History(page=50)
    keeper = Keeper(history, settings=NO_PAST)
    assert keeper.poll() is None
    for number in range(300):
        history.add(history.now + 10 + number // 150)
    history.now += 60
    history.fault = raising(None, None, refused("InvalidNextTokenException"), None, None, None, refused("InvalidNextTokenException"))
    assert keeper.poll() is None
    assert keeper.missing() == set()


def test_tokens_that_never_last_end_the_poll_instead_of_never_ending_it() -> None:
    """A loop without progress would poll for ever and say nothing."""
    history = History(page=50, token_life=0)
    keeper = Keeper(history, settings=NO_PAST)
    assert keeper.poll() is None
    for _ in range(120):
        history.add(history.now + 10)
    history.now += 60
    error = keeper.poll()
    assert error is not None
    assert error.reason == "unavailable"
    history.token_life = 60
    assert keeper.poll() is None
    assert keeper.missing() == set()


@pytest.mark.parametrize("ahead", [-2 * DAY, -3600, -200, 200, 3600, 2 * DAY])
def test_a_wrong_clock_of_ours_neither_skips_nor_stops(ahead: float) -> None:
    """AWS refuses a start in the future, and a watermark in the future passes what has not happened yet."""
    history = History(ahead=ahead)
    keeper = Keeper(history, settings=NO_PAST)
    for _ in range(10):
        assert keeper.poll() is None
        assert keeper.live()["watermark"] <= history.now
        history.add(history.now + 5, history.now + 200)
        history.now += 60
    history.now += 300
    assert keeper.poll() is None
    assert keeper.missing() == set()


@pytest.mark.parametrize("jump", [-200 * DAY, -2 * DAY, -400, 400, 2 * DAY, 200 * DAY])
def test_our_clock_may_jump_between_polls_and_over_a_restart(jump: float) -> None:
    """NTP, a suspended machine, a new host."""
    for restarts in (False, True):
        history = History()
        keeper = Keeper(history, settings=NO_PAST)
        assert keeper.poll() is None
        for _ in range(4):
            history.ahead += jump
            if restarts:
                keeper.restart()
            history.add(history.now + 5)
            history.now += 60
            assert keeper.poll() is None
            assert keeper.live()["watermark"] <= history.now
        assert keeper.poll() is None
        assert keeper.missing() == set()
        assert not keeper.counts


def test_a_clock_of_aws_that_goes_back_is_followed() -> None:
    """A watermark that lies in the future would end all reading until then."""
    history = History()
    keeper = Keeper(history, settings=NO_PAST)
    assert keeper.poll() is None
    history.now -= 7200
    history.add(history.now + 5)
    history.now += 60
    assert keeper.poll() is None
    assert keeper.missing() == set()


def test_without_a_date_our_own_clock_must_do() -> None:
    """A proxy may take the header away."""
    history = History(tells_date=False)
    keeper = Keeper(history, settings=NO_PAST)
    for _ in range(3):
        assert keeper.poll() is None
        history.add(history.now + 5)
        history.now += 60
    assert keeper.poll() is None
    assert keeper.missing() == set()


def test_throttles_are_waited_out_within_the_poll() -> None:
    """Other users of the API are no reason to fail a poll."""
    history = History()
    keeper = Keeper(history, settings=NO_PAST, budget=timedelta(seconds=5))
    assert keeper.poll() is None
    history.add(history.now + 1)
    history.now += 60
    history.fault = raising(throttled(), throttled(), throttled())
    assert keeper.poll() is None
    assert keeper.missing() == set()


def test_a_storm_ends_the_poll_as_throttled_and_loses_nothing() -> None:
    """A poll that waits for ever is as silent as one that lies."""
    history = History(page=10)
    keeper = Keeper(history, settings={**NO_PAST, "strategy": "sweep"}, budget=timedelta(seconds=5))
    assert keeper.poll() is None
    for second in range(50):
        history.add(history.now + second)
    history.now += 60
    history.fault = raising(None, None, *[throttled()] * 50)
    begun = history.now
    error = keeper.poll()
    assert error is not None
    assert error.reason == "throttled"
    assert history.now - begun < 60
    assert len(keeper.stored) == 20
    history.fault = raising()
    assert keeper.poll() is None
    assert keeper.missing() == set()


def test_a_gap_is_told_exactly_once_with_its_length() -> None:
    """Down for over 90 days: silence would claim that nothing happened."""
    history = History()
    keeper = Keeper(history, settings=NO_PAST)
    assert keeper.poll() is None
    watermark = keeper.live()["watermark"]
    history.add(history.now + DAY)
    kept = history.add(history.now + 50 * DAY)
    history.now += 100 * DAY
    keeper.restart()
    begun = history.now
    for cut in (True, True, False):
        history.fault = raising(AwsError("unavailable", "cut")) if cut else raising()
        keeper.poll()
        keeper.restart()
        history.now += 60
    assert keeper.counts[GAPS.name, LABELS] == 1
    lost = keeper.counts[GAP_SECONDS.name, LABELS]
    assert begun - 90 * DAY - watermark <= lost <= history.now - 90 * DAY - watermark
    assert kept.event_id in keeper.stored
    assert keeper.poll() is None
    assert keeper.counts[GAPS.name, LABELS] == 1


def test_late_events_are_found_by_rescans_and_told_apart() -> None:
    """AWS promises no delay; an event a day late stands behind every watermark."""
    history = History()
    keeper = Keeper(history)
    assert keeper.poll() is None
    soon = history.add(history.now + 60, history.now + minutes(25))
    hours = history.add(history.now + 70, history.now + minutes(120))
    day = history.add(history.now + 80, history.now + 30 * 3600)
    month = history.add(history.now + 90, history.now + 30 * DAY)
    end = history.now + 40 * DAY
    while history.now < end:
        assert keeper.poll() is None
        history.now += 600
    assert keeper.missing() == set()
    assert keeper.late == {hours.event_id, day.event_id, month.event_id}
    assert soon.event_id in keeper.stored


def test_a_rescan_that_is_cut_goes_on_where_it_was() -> None:
    """A re-scan of 90 days that starts over at each restart never ends."""
    history = History(page=10)
    keeper = Keeper(
        history, settings={"backfill": "0s", "rescans": [{"every": "1d", "over": "10d"}], "strategy": "sweep"}, budget=timedelta(seconds=3)
    )
    assert keeper.poll() is None
    for hour in range(9 * 24):
        history.add(history.now + hour * 3600, history.now + 9 * DAY)
    history.now += 9 * DAY
    while keeper.missing() and history.now < START + 10 * DAY:
        keeper.poll()
        keeper.restart()
        history.now += 60
    assert keeper.missing() == set()


def test_a_busy_account_is_asked_by_name_and_a_quiet_one_swept() -> None:
    """A sweep of a busy account drowns in what nobody watches; names in a quiet one are a dozen calls for nothing."""
    history = History()
    names = tuple(pair for pair in WATCHED if pair[1] != "CreateVpcResourceCreation")
    keeper = Keeper(history, settings=NO_PAST, names=names)

    def busy(pages: int) -> None:
        for number in range(pages * 50):
            history.add(history.now + number % 60, name="CreateTags")

    assert keeper.poll() is None
    for _ in range(3):
        busy(15)
        history.now += 60
        assert keeper.poll() is None
    history.asked.clear()
    busy(15)
    history.add(history.now + 30)
    history.now += 60
    assert keeper.poll() is None
    assert sorted(request["LookupAttributes"][0]["AttributeValue"] for request in history.asked) == sorted(name for _, name in names)
    assert keeper.missing() == set()
    for _ in range(14):
        history.now += 1800
        assert keeper.poll() is None
    history.asked.clear()
    assert keeper.poll() is None
    assert {request["LookupAttributes"][0]["AttributeKey"] for request in history.asked} == {"ReadOnly"}


def test_a_name_of_another_service_is_not_ours() -> None:
    """WorkSpaces Wickr has a CreateSecurityGroup, too."""
    history = History()
    keeper = Keeper(history, settings={**NO_PAST, "strategy": "names"})
    assert keeper.poll() is None
    history.add(history.now + 1, name="CreateSecurityGroup", source="wickr.amazonaws.com")
    mine = history.add(history.now + 1, name="CreateSecurityGroup")
    history.now += 60
    assert keeper.poll() is None
    assert set(keeper.stored) == {mine.event_id}
    assert sum((Counter(batch.ignored) for batch in keeper.batches), Counter()) == {"not_watched": 1}


def test_what_may_not_be_a_write_is_looked_up_by_name_beside_the_sweep() -> None:
    """`ReadOnly=false` does not show calls that AWS takes for reads, nor, perhaps, events of services."""
    names = ((EC2, "CreateSecurityGroup"), (EC2, "CreateVpcResourceCreation"), ("sts.amazonaws.com", "AssumeRole"))
    history = History()
    keeper = Keeper(history, names=names, settings={"backfill": "0s", "strategy": "sweep"})
    assert keeper.poll() is None
    role = history.add(history.now + 1, name="AssumeRole", source="sts.amazonaws.com", read_only="true")
    born = history.add(history.now + 1, name="CreateVpcResourceCreation", read_only=None)
    history.now += 60
    assert keeper.poll() is None
    assert set(keeper.stored) == {role.event_id}
    history.now += 3600
    assert keeper.poll() is None
    assert set(keeper.stored) == {role.event_id, born.event_id}


def test_without_rescans_every_poll_asks_for_service_events() -> None:
    """Nothing else would find them."""
    history = History()
    keeper = Keeper(history, settings={**NO_PAST, "strategy": "sweep"})
    assert keeper.poll() is None
    history.add(history.now + 1, name="CreateVpcResourceCreation", read_only=None)
    history.now += 60
    assert keeper.poll() is None
    assert keeper.missing() == set()


def test_endless_names_are_swept_and_all_reads_everything() -> None:
    """Patterns cannot be looked up by name; those of reads need everything."""
    history = History()
    keeper = Keeper(history, names=None, settings={**NO_PAST, "strategy": "names"})
    assert keeper.poll() is None
    swept = [request["LookupAttributes"][0]["AttributeValue"] for request in history.asked[1:]]
    assert swept == ["false", "CreateVpcResourceCreation"]
    keeper.settings["strategy"] = "all"
    keeper.restart()
    history.now += 60
    assert keeper.poll() is None
    assert "LookupAttributes" not in history.asked[-1]


@pytest.mark.parametrize(("strategy", "warned"), [("auto", 1), ("sweep", 1), ("all", 0)])
def test_patterns_of_reads_that_no_sweep_shows_are_warned_about_once(strategy: str, warned: int) -> None:
    """`kms.amazonaws.com: *` hopes for Decrypt, which is a read, and would wait for it for ever."""
    history = History()
    keeper = Keeper(history, names=None, settings={**NO_PAST, "strategy": strategy})
    context = keeper.context()
    keeper.context = lambda: replace(context, wanted=lambda source, _name: source == "kms.amazonaws.com")
    with capture_logs() as lines:
        assert keeper.poll() is None
        assert keeper.poll() is None
    assert sum("only read" in line["event"] for line in lines) == warned


def test_names_that_change_in_the_middle_of_a_walk_begin_it_anew() -> None:
    """A slice that was half read for the old names must not count as read for the new one."""
    history = History(page=10)
    keeper = Keeper(history, settings={**NO_PAST, "strategy": "names"})
    assert keeper.poll() is None
    for second in range(30):
        history.add(history.now + second)
    added = history.add(history.now + 50, name="DeleteSecurityGroup")
    history.now += 60
    history.fault = raising(None, None, AwsError("unavailable", "cut"))
    assert keeper.poll() is not None
    keeper.restart()
    keeper.names = (*WATCHED, (EC2, "DeleteSecurityGroup"))
    assert keeper.poll() is None
    assert added.event_id in keeper.stored
    assert keeper.missing() == set()


def test_what_a_newly_watched_name_did_before_is_no_news() -> None:
    """A release that knows one more call would otherwise page for three months of it, with the next re-scan of 90 days."""
    history = History()
    keeper = Keeper(history)
    assert keeper.poll() is None
    before = history.add(history.now + 3600, name="DeleteSecurityGroup")
    history.now += 9 * DAY
    assert keeper.poll() is None
    keeper.names = (*WATCHED, (EC2, "DeleteSecurityGroup"))
    keeper.restart()
    outage = history.add(history.now + 3600, name="DeleteSecurityGroup")
    history.now += 2 * DAY
    for _ in range(9 * 24):
        assert keeper.poll() is None
        history.now += 3600
    assert before.event_id not in keeper.stored
    assert outage.event_id in keeper.stored
    assert keeper.late == set()


def test_a_stop_ends_the_poll_after_the_page_at_hand() -> None:
    """A shutdown within seconds, and nothing read twice that need not be."""
    history = History(page=10)
    keeper = Keeper(history, settings={**NO_PAST, "strategy": "sweep"})
    assert keeper.poll() is None
    for second in range(50):
        history.add(history.now + second)
    history.now += 60
    asked = len(history.asked)
    keeper.stop = lambda: len(history.asked) >= asked + 2
    assert keeper.poll() is None
    assert len(history.asked) == asked + 2
    assert len(keeper.stored) == 20
    keeper.stop = lambda: False
    keeper.restart()
    assert keeper.poll() is None
    assert keeper.missing() == set()


def test_broken_events_are_told_by_their_id_and_hide_no_neighbour() -> None:
    """A page is 50 events; one that cannot be read must not take 49 along."""
    history = History()
    keeper = Keeper(history, settings=NO_PAST)
    assert keeper.poll() is None
    good = history.add(history.now + 1)
    broken = [history.add(history.now + 1, text=text) for text in ("", "[1]", '{"eventName":"AuthorizeSecurityGroupIngress"')]
    history.now += 60
    assert keeper.poll() is None
    assert set(keeper.stored) == {good.event_id}
    told = {entry.where for batch in keeper.batches for entry in batch.malformed}
    assert told == {f"account {ACCOUNT}, region {REGION}, event {event.event_id}" for event in broken}


def test_every_batch_names_the_unit() -> None:
    """A quiet account and region must exist on the page at 0."""
    keeper = Keeper(History())
    assert keeper.poll() is None
    assert {(unit.account_id, unit.region) for batch in keeper.batches for unit in batch.units} == {(ACCOUNT, REGION)}
    assert all(batch.units for batch in keeper.batches)


def test_a_damaged_cursor_is_an_error_and_no_new_start() -> None:
    """A new start would skip all that happened since."""
    history = History()
    keeper = Keeper(history)
    keeper.cursors[f"live/{ACCOUNT}/{REGION}"] = "{"
    error = keeper.poll()
    assert error is not None
    assert error.reason == "internal"


def test_more_past_is_read_when_more_is_asked_for() -> None:
    """`backfill: 7d` for a trial, 90d later."""
    history = History()
    old = history.add(START - 30 * DAY)
    keeper = Keeper(history, settings={"backfill": "7d"})
    assert keeper.poll() is None
    assert old.event_id not in keeper.stored
    assert keeper.batches[-1].watched_since == at(START - 7 * DAY)
    keeper.settings["backfill"] = "90d"
    keeper.restart()
    assert keeper.poll() is None
    assert keeper.batches[-1].watched_since == at(START - 90 * DAY)
    assert old.event_id in keeper.stored
