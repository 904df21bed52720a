"""Asking AWS Config for a page: bounded in time, number and at once, kept for a little while, and never about what is none of ours."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exporter.aws import Account, Accounts
from exporter.config import Config
from exporter.errors import AwsError, SourceError, StoreError
from exporter.history.config_ask import AT_ONCE, KEPT, ConfigAsk
from exporter.history.config_newest import MOST, ConfigItems, Refused, Why
from exporter.store import Store, open_store
from exporter.web.routes import config_ask_of
from tests.config_history import ACCOUNT, GROUP, REGION, Recorded, RecordedAws, config_ask, group_item, tcp

OTHERS = tuple(f"sg-{number:017x}" for number in range(1, 5))


@pytest.fixture
def store() -> Iterator[Store]:
    """Return an empty store; it is closed at the end."""
    opened = open_store(Path(":memory:"))
    yield opened
    opened.close()


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def items(number: int) -> list[dict[str, Any]]:
    """Return items of the group, each with another rule."""
    return [group_item(one / 10, tcp(1 + one, "192.0.2.0/24")) for one in range(number)]


def refused(ask: ConfigAsk, group: str = GROUP, account_id: str = ACCOUNT, region: str = REGION) -> Refused:
    """Return why there is no answer."""
    with pytest.raises(Refused) as caught:
        ask.items(account_id, region, group)
    return caught.value


class Hanging(Recorded):
    """AWS Config that does not answer until it may."""

    def __init__(self, *told: dict[str, Any]) -> None:
        super().__init__(list(told))
        self.may, self.began = threading.Event(), threading.Semaphore(0)
        self.fault = self._wait

    def _wait(self, _before: int) -> None:
        self.began.release()
        assert self.may.wait(30)


def waiting(ask: ConfigAsk, *groups: str) -> list[threading.Thread]:
    """Ask about groups at once, each in a thread."""

    def asked(group: str) -> None:
        with suppress(Refused):
            ask.items(ACCOUNT, REGION, group)

    threads = [threading.Thread(target=asked, args=(group,)) for group in groups]
    for thread in threads:
        thread.start()
    return threads


def test_an_answer_is_kept_for_a_minute_and_no_longer(store: Store) -> None:
    """A page that is loaded again and again must not cost a call each time; one of an hour ago must not pass for now."""
    clock, recorded = Time(), Recorded(items(3))
    aws = RecordedAws(recorded)
    ask = config_ask(aws, store, clock=clock)
    assert len(ask.items(ACCOUNT, REGION, GROUP).items) == 3
    clock.now += KEPT - 1
    ask.items(ACCOUNT, REGION, GROUP)
    assert len(recorded.asked) == 1
    clock.now += 2
    ask.items(ACCOUNT, REGION, GROUP)
    assert (len(recorded.asked), aws.listed) == (2, 1), "the accounts of an organization are not listed for each"
    clock.now += 1000
    ask.items(ACCOUNT, REGION, GROUP)
    assert aws.listed == 2


def test_a_refusal_is_kept_for_seconds(store: Store) -> None:
    """Who repairs a policy wants to see it work; who reloads a page that is denied must not ask at each."""
    clock, recorded = Time(), Recorded(items(1), error="AccessDeniedException")
    heard: list[tuple[SourceError, str, str]] = []
    ask = config_ask(RecordedAws(recorded), store, clock=clock, failed=lambda *told: heard.append(told))
    for _ in range(3):
        assert refused(ask).why is Why.FAILED
    assert len(recorded.asked) == len(heard) == 1
    recorded.error = ""
    clock.now += 11
    assert len(ask.items(ACCOUNT, REGION, GROUP).items) == 1


def test_few_answers_are_kept(store: Store) -> None:
    """Whoever walks through all groups must not fill the memory with what AWS Config has of them."""
    recorded = Recorded()
    ask = config_ask(RecordedAws(recorded), store)
    groups = [f"sg-{number:017x}" for number in range(70)]
    for group in groups:
        assert ask.items(ACCOUNT, REGION, group) == ConfigItems((), ask.items(ACCOUNT, REGION, group).asked_at, known=False)
    assert len(recorded.asked) == 70
    ask.items(ACCOUNT, REGION, groups[-1])
    assert len(recorded.asked) == 70
    ask.items(ACCOUNT, REGION, groups[0])
    assert len(recorded.asked) == 71, "the oldest made place"


def test_no_more_than_the_newest_are_read(store: Store) -> None:
    """A group that something edits each minute has a hundred thousand items, and one page has room for a hundred."""
    recorded = Recorded(items(350))
    found = config_ask(RecordedAws(recorded), store).items(ACCOUNT, REGION, GROUP)
    assert (len(found.items), found.more, len(recorded.asked)) == (MOST, True, 2)
    assert 350 in {change.rule.from_port for change in found.items[0].event.rule_changes}
    times = [item.event.event_time for item in found.items]
    assert times == sorted(times, reverse=True)
    assert not any(item.event.raw for item in found.items), "the items themselves are not kept in memory"


def test_whoever_waits_too_long_is_sent_away_and_finds_the_answer_later(store: Store) -> None:
    """AWS may hang for a minute; the page may not, and asking anew each time would never end."""
    recorded = Hanging(*items(2))
    ask = config_ask(RecordedAws(recorded), store, patience=0.05, clock=Time())
    assert refused(ask).why is Why.TOOK_TOO_LONG
    assert "being asked about this group right now" in str(refused(ask))
    recorded.may.set()
    for thread in threading.enumerate():
        if thread.name == "aws-config":
            thread.join(30)
    assert len(ask.items(ACCOUNT, REGION, GROUP).items) == 2
    assert len(recorded.asked) == 1


def test_few_are_asked_at_once_and_a_place_is_free_again(store: Store) -> None:
    """As many threads of the server as people click would wait for AWS, until none is left for a scrape."""
    recorded = Hanging()
    ask = config_ask(RecordedAws(recorded), store)
    threads = waiting(ask, *OTHERS[:AT_ONCE])
    for _ in threads:
        assert recorded.began.acquire(timeout=30)
    busy = refused(ask, OTHERS[2])
    assert (busy.why, "Ask again in a moment" in str(busy)) == (Why.BUSY, True)
    assert len(recorded.asked) == AT_ONCE
    recorded.may.set()
    for thread in threads:
        thread.join(30)
    assert not ask.items(ACCOUNT, REGION, OTHERS[2]).known


def test_another_configuration_is_shown_nothing_of_the_one_before(store: Store) -> None:
    """Another role may see less, and another account list may have lost this one."""
    first, second = RecordedAws(Recorded(items(1))), RecordedAws(Recorded(items(1)), Accounts((Account("444455556666"),)))

    def pipeline(aws: RecordedAws) -> Any:
        return SimpleNamespace(lease=SimpleNamespace(aws=aws), config=Config(), using_aws=lambda: nullcontext(True))

    service: Any = SimpleNamespace(store=store, pipeline=pipeline(first))
    ask = config_ask_of(service)
    assert len(ask.items(ACCOUNT, REGION, GROUP).items) == 1
    service.pipeline = pipeline(second)
    gone = refused(ask)
    assert (gone.why, "add it to aws.accounts" in str(gone)) == (Why.NOT_WATCHED, True)


@pytest.mark.parametrize(
    ("account_id", "region", "group"),
    [
        (ACCOUNT, "us-east-1.example.com/", GROUP),
        (ACCOUNT, "all", GROUP),
        ("1", REGION, GROUP),
        (ACCOUNT, REGION, "name:web"),
        (ACCOUNT, REGION, "sg-1' or ''='"),
        ("", "", ""),
    ],
)
def test_what_is_none_of_awss_names_is_not_asked(store: Store, account_id: str, region: str, group: str) -> None:
    """Whoever writes into a trail's bucket chooses what a record names; an address made of it could lead anywhere, signed."""
    recorded = Recorded(items(1))
    assert refused(config_ask(RecordedAws(recorded), store), group, account_id, region).why is Why.NOT_WATCHED
    assert recorded.asked == []


def test_without_aws_there_is_nothing_to_ask(store: Store) -> None:
    """The link is not there, and an address typed by hand says why."""
    ask = config_ask(None, store)
    assert not ask.available
    assert refused(ask).why is Why.NO_AWS
    assert config_ask(RecordedAws(Recorded()), store).available


def test_what_could_be_read_is_shown_beside_what_could_not(store: Store) -> None:
    """The newest hundred items answer most questions; that the older ones failed is no reason to hide them, nor to hide that."""

    def denied(before: int) -> None:
        if before:
            raise AwsError("unavailable", "it failed: secret-host.internal:8443 /etc/x", "config:GetResourceConfigHistory", "InternalError")

    recorded = Recorded([*items(160), *({**group_item(20 + one), "configuration": "{"} for one in range(3))])
    recorded.fault = denied
    clock = Time()
    ask = config_ask(RecordedAws(recorded), store, clock=clock)
    found = ask.items(ACCOUNT, REGION, GROUP)
    assert 0 < len(found.items) < MOST
    assert [problem.partition(":")[0] for problem in found.problems] == [
        f"{ACCOUNT} {REGION}",
        "3 items could not be understood and are left out; the command says what is wrong with them.",
    ]
    assert "(InternalError)" in found.problems[0]
    assert "secret-host" not in str(found.problems)
    # What is not whole is not kept as long.
    clock.now += 11
    recorded.fault = lambda _before: None
    assert len(ask.items(ACCOUNT, REGION, GROUP).items) == MOST


def test_a_store_that_cannot_be_read_leaves_the_items(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who it was is not told then; what changed is."""

    def broken(_query: object) -> list[object]:
        raise StoreError("/var/lib/x/state.db: is locked")

    monkeypatch.setattr(store, "search", broken)
    recorded = Recorded([group_item(1, tcp(22, "192.0.2.0/24")), group_item(2, tcp(23, "192.0.2.0/24"), relatedEvents=["a-b"])])
    found = config_ask(RecordedAws(recorded), store).items(ACCOUNT, REGION, GROUP)
    assert len(found.items) == 2
    assert found.problems == ("Who it was could not be looked up, because the store cannot be read now.",)


def _fails(error: BaseException) -> Callable[[int], None]:
    def fail(_before: int) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (AwsError("access_denied", "secret", "sts:AssumeRole", "AccessDenied"), "AWS denies sts:AssumeRole there."),
        (AwsError("credentials", "secret"), "`aws-change-exporter doctor` says what is wrong"),
        (AwsError("unavailable", "secret", "", ""), "AWS could not be reached there"),
        (AwsError("not_found", "secret", "", "NoAvailableConfigurationRecorderException"), "it has no recorder"),
        (AwsError("not_found", "secret", "", "NoSuchThing"), "(NoSuchThing)"),
        (AwsError("unreadable", "secret"), "The log of the exporter says more."),
        (AwsError("internal", "secret", "", "Odd{operation}\x1b[31m\u202e"), "(Odd{operation}\\x1b[31m\\u202e)"),
    ],
)
def test_each_failure_says_what_to_do_and_nothing_that_aws_said(store: Store, error: AwsError, remedy: str) -> None:
    """AWS's own words name hosts, roles and requests; who looks at a page may be no administrator."""
    recorded = Recorded(items(1))
    recorded.fault = _fails(error)
    found = refused(config_ask(RecordedAws(recorded), store))
    assert (found.why, remedy in str(found)) == (Why.FAILED, True), str(found)
    assert "secret" not in str(found).replace("exporter", "").replace("\\x1b", "")


def test_a_fault_of_ours_is_told_to_whoever_asked(store: Store) -> None:
    """Swallowed in its thread, it would look as if AWS never answered; and its place must be free again."""
    recorded = Recorded(items(1))
    ask = config_ask(RecordedAws(recorded), store)
    recorded.fault = _fails(ValueError("secret"))
    for _ in range(AT_ONCE + 1):
        with pytest.raises(RuntimeError) as caught:
            ask.items(ACCOUNT, REGION, GROUP)
        assert isinstance(caught.value.__cause__, ValueError)
    recorded.fault = lambda _before: None
    assert len(ask.items(ACCOUNT, REGION, GROUP).items) == 1


def test_accounts_that_cannot_be_told_are_a_failure_and_asked_again(store: Store) -> None:
    """ "None of ours" would send the reader to the configuration, where nothing is wrong."""
    denied = AwsError("access_denied", "x", "organizations:ListAccounts", "AccessDeniedException")
    clock = Time()
    aws = RecordedAws(Recorded(items(1)), Accounts((), (("", denied),)))
    ask = config_ask(aws, store, clock=clock)
    found = refused(ask)
    assert (found.why, "AWS denies organizations:ListAccounts there." in str(found)) == (Why.FAILED, True)
    clock.now += 11
    aws.known = Accounts((Account(ACCOUNT),))
    assert len(ask.items(ACCOUNT, REGION, GROUP).items) == 1


def test_throttles_are_waited_out_while_there_is_time(store: Store) -> None:
    """AWS throttles for moments; a reader who waits a second more has the answer, one who waits a minute is gone."""
    recorded = Recorded(items(1))

    def throttled(before: int) -> None:
        if before < 1:
            raise AwsError("throttled", "x", "config:GetResourceConfigHistory", "ThrottlingException")

    recorded.fault = throttled
    assert len(config_ask(RecordedAws(recorded), store).items(ACCOUNT, REGION, GROUP).items) == 1
    clock, storm = Time(), Recorded(items(1))

    def always(_before: int) -> None:
        clock.now += 3
        raise AwsError("throttled", "x", "config:GetResourceConfigHistory", "ThrottlingException")

    storm.fault = always
    found = refused(config_ask(RecordedAws(storm), store, clock=clock))
    assert "Ask again in a minute." in str(found)
    assert len(storm.asked) == 2
