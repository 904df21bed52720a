"""Overview, group, principal and event: each says what is known, what is not, and where to go on."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from exporter.errors import TookTooLong
from exporter.model import Outcome, RuleAction, RuleChange
from exporter.posture.entries import unexplained_event
from exporter.posture.standing import Group
from exporter.store import Store, open_store
from exporter.store.base import Ingest, PostureChange
from exporter.web.http import Request
from exporter.web.pages import Pages, page_routes
from exporter.web.pages.render import address, age
from exporter.web.pages.search import found_by
from tests.pages_estate import ACCOUNT, BASTION, BATCH, EVERYONE, HOSTILE, REGION, VPC, Incident, alice, fill, reports, survey

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def estate() -> Iterator[tuple[Store, Incident]]:
    """Return a store that nothing here changes."""
    store = open_store(Path(":memory:"))
    yield store, fill(store, NOW, ordinary=300)
    store.close()


@pytest.fixture
def store() -> Iterator[Store]:
    """Return an empty store."""
    opened = open_store(Path(":memory:"))
    yield opened
    opened.close()


@pytest.fixture
def pages(estate: tuple[Store, Incident]) -> Pages:
    """Return the pages over the estate, with reports of three units."""
    return Pages(estate[0], lambda: reports(NOW), lambda: NOW)


def text(page: tuple[HTTPStatus, bytes], status: HTTPStatus = HTTPStatus.OK) -> str:
    """Return what a page says, without its tags."""
    assert page[0] is status
    said = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page[1].decode())).split())
    return re.sub(r" ([,.;:)])", r"\1", said)


def test_the_overview_says_what_is_open_since_when_and_by_whom(pages: Pages) -> None:
    """What stands open is the question of every morning; without who and when it is only the beginning of a search."""
    said = text(pages.overview())
    assert "2 groups open to the internet" in said
    assert "1 of them with something public behind" in said
    assert "bastion reachable from the internet admin (tcp), web (tcp)" in said
    assert "since 4 min ago by sso/AdministratorAccess" in said
    first, second = said.index("bastion reachable"), said.index("attached to nothing")
    assert first < second, "what the internet reaches comes first"


def test_the_overview_says_which_source_is_late_or_fails_and_why(pages: Pages) -> None:
    """A page that looks well while a source is blind is worse than none."""
    said = text(pages.overview())
    assert "1 of 3 sources well" in said
    assert "s3 20 s ago incomplete: access_denied" in said
    assert re.search(r"cloudtrail 111122223333 eu-west-1 5 h ago late", said)
    assert re.search(r"cloudtrail 111122223333 us-east-1 30 s ago complete read 12 records: stored 3 \(3 live\)", said)
    assert said.index("access_denied") < said.index("30 s ago complete"), "what is wrong comes first"


def test_an_overview_of_nothing_says_that_it_knows_nothing(store: Store) -> None:
    """ "0 groups open" before anything was read would be a lie."""
    said = text(Pages(store, dict, lambda: NOW).overview())
    assert "rules were not read yet" in said
    assert "No change is stored yet." in said
    assert "No source has been polled to its end yet." in said
    assert "0 groups open" not in said


def test_the_hours_of_the_overview_add_up(store: Store) -> None:
    """A graph that shows another number than the one beside it makes both worthless."""
    made = [alice(number, NOW - timedelta(hours=number), "CreateSecurityGroup") for number in range(30)]
    store.append(Ingest("cloudtrail", NOW, made, read=len(made)))
    body = Pages(store, dict, lambda: NOW).overview()[1].decode()
    (label,) = re.findall(r'aria-label="Changes by hour, oldest first: ([\d, ]+)"', body)
    hours = [int(number) for number in label.split(", ")]
    assert hours == [1] * 24
    assert "24 changes in 24 hours" in text((HTTPStatus.OK, body.encode()))


def test_a_group_has_its_rules_with_what_lets_the_internet_in_first(pages: Pages) -> None:
    """Among two hundred rules the two that matter must not be looked for."""
    said = text(pages.group({"security_group_id": [BASTION]}))
    assert "Security group bastion Open to the internet now" in said
    assert f"VPC {VPC}" in said
    assert "tcp 22 0.0.0.0/0 open, reachable from the internet" in said
    assert "all traffic 0.0.0.0/0 sgr-00000000000000003" in said, "egress is no opening"
    assert f"aws-change-exporter history {BASTION} --from aws-config" in said
    assert re.search(r"Who changes it sso/AdministratorAccess 4 Of all 4 stored events", said)
    assert "tcp 443 from 0.0.0.0/0 reachable from the internet web ports, since before 2026-01-31 12:00:00" in said


def test_the_history_of_one_group_has_its_head_whatever_else_is_asked(pages: Pages) -> None:
    """An alert of a group carries the account and region, a dashboard's link does not, and both must lead to the same answer."""
    for more in ({}, {"account_id": [ACCOUNT]}, {"account_id": [ACCOUNT], "region": [REGION], "since": ["1h"]}):
        said = text(pages.history({"security_group_id": [BASTION], **more}))
        assert "bastion Open to the internet now" in said
        assert "Current rules (3)" in said
    assert "What stands now" not in text(pages.history({"security_group_id": [BASTION, BATCH]}))
    assert "Not open to the internet" in text(pages.history({"security_group_id": [BATCH]}))


def test_a_group_of_two_accounts_is_asked_back(store: Store) -> None:
    """The id of a shared group stands in two accounts; to show either as the answer would be a guess."""
    made = [
        replace(alice(number, NOW, "CreateSecurityGroup"), account_id=account) for number, account in ((1, ACCOUNT), (2, "444455556666"))
    ]
    store.append(Ingest("cloudtrail", NOW, made, read=2))
    pages = Pages(store, dict, lambda: NOW)
    said = text(pages.group({"security_group_id": [BASTION]}), HTTPStatus.BAD_REQUEST)
    assert f"{ACCOUNT} {REGION}, 444455556666 {REGION}" in said
    assert text(pages.group({"security_group_id": [BASTION], "account_id": ["444455556666"]}))


def test_a_group_that_was_deleted_shows_what_it_had(store: Store) -> None:
    """ "No such group" about a group that was deleted an hour after it let everybody in is no answer."""
    survey(store, NOW - timedelta(hours=2), [Group(BASTION, "bastion", VPC, (EVERYONE,))])
    gone = alice(1, NOW - timedelta(hours=1), "DeleteSecurityGroup")
    store.append(Ingest("cloudtrail", NOW, [gone], read=1))
    survey(store, NOW, [Group(BATCH, "batch", VPC)])
    said = text(Pages(store, dict, lambda: NOW).group({"security_group_id": [BASTION]}))
    assert "bastion Deleted 1 h ago" in said
    assert "Last rules The rules that it had when it was last read" in said
    assert "tcp 22 0.0.0.0/0" in said


@pytest.mark.parametrize(
    ("asked", "status", "remedy"),
    [
        ("group", HTTPStatus.BAD_REQUEST, "Name it: /group?security_group_id="),
        ("principal", HTTPStatus.BAD_REQUEST, "Name it: /principal?principal="),
        ("event", HTTPStatus.BAD_REQUEST, "Name it: /event?event_id="),
    ],
)
def test_a_page_without_its_name_says_how_to_name_it(pages: Pages, asked: str, status: HTTPStatus, remedy: str) -> None:
    """A link that lost its query string on the way into a chat is repaired by who reads the remedy."""
    assert remedy in text(getattr(pages, asked)({}), status)


@pytest.mark.parametrize(
    ("asked", "parameters"),
    [("group", {"security_group_id": ["sg-1"]}), ("principal", {"principal": ["nobody"]}), ("event", {"event_id": ["x"]})],
)
def test_what_is_not_known_is_not_found(pages: Pages, asked: str, parameters: dict[str, list[str]]) -> None:
    """An empty page with status 200 reads as "it is known, and did nothing"."""
    assert "is known" in text(getattr(pages, asked)(parameters), HTTPStatus.NOT_FOUND) or asked == "event"


def test_a_principal_has_its_times_its_counts_and_links_to_what_is_counted(pages: Pages) -> None:
    """Whether this is what the principal always does is asked in every incident."""
    page = pages.principal({"principal": ["sso/AdministratorAccess"]})
    said, body = text(page), page[1].decode()
    assert re.search(r"What permission set First seen \d{4}-\d\d-\d\d [\d:]+ \d+ days ago Last seen 2026-01-31 11:56:00 4 min ago", said)
    assert re.search(r"Outcomes success \d+ ?", said)
    assert 'href="history?principal=sso%2FAdministratorAccess&amp;event_name=ModifySecurityGroupRules"' in body
    assert "alice@example.com" in said


def test_a_principal_named_like_a_pattern_is_itself_alone(store: Store) -> None:
    """Who calls himself `*` would otherwise be shown with the deeds of everybody."""
    star = alice(1, NOW, "CreateSecurityGroup")
    star = replace(star, principal=replace(star.principal, name="role/*"))
    store.append(Ingest("cloudtrail", NOW, [star, alice(2, NOW, "DeleteSecurityGroup")], read=2))
    said = text(Pages(store, dict, lambda: NOW).principal({"principal": ["role/*"]}))
    assert "CreateSecurityGroup" in said
    assert "DeleteSecurityGroup" not in said


def test_an_event_is_whole_and_its_record_is_shown_on_demand(pages: Pages, estate: tuple[Store, Incident]) -> None:
    """The record is the evidence; it is long, and so it is there only for who asks."""
    event = estate[1].denied
    without, with_it = (pages.event({"event_id": [event.event_id], **more}) for more in ({}, {"record": ["1"]}))
    assert "Show the raw record" in text(without)
    assert "requestParameters" not in text(without)
    found = html.unescape(re.search(r"<pre[^>]*><code>(.*)</code></pre>", with_it[1].decode(), re.DOTALL)[1])  # type: ignore[index]
    assert json.loads(found) == json.loads(event.raw)
    said = text(without)
    for part in (
        "You are not authorized to perform this operation.",
        "Asked for, not done:",
        f"Event id {event.event_id}",
        "Brought by cloudtrail",
    ):
        assert part in said, part


def test_an_event_and_what_it_explains_lead_to_each_other(store: Store) -> None:
    """Who finds the unexplained change of last night must find the event that came an hour late."""
    now = NOW
    survey(store, now - timedelta(minutes=30), [Group(BATCH, "batch", VPC, (EVERYONE,))])
    from exporter.posture.chronicle import GROUP, Unexplained

    change = RuleChange(RuleAction.ADDED, EVERYONE)
    entry = unexplained_event(
        ACCOUNT, REGION, Unexplained(GROUP, BATCH, (change,), now - timedelta(minutes=40), now - timedelta(minutes=30), "", (BATCH,))
    )
    event = replace(alice(1, now - timedelta(minutes=35), "AuthorizeSecurityGroupIngress", change), security_groups=(BATCH,))
    store.append(Ingest("cloudtrail", now, [event], read=1))
    sequence = store.posture(ACCOUNT, REGION).sequence
    store.replace_posture(
        PostureChange(ACCOUNT, REGION, sequence, now, "posture", events=(entry,), explained=((entry.event_id, event.event_id),))
    )
    pages = Pages(store, dict, lambda: now)
    of_entry = pages.event({"event_id": [entry.event_id]})
    assert "This event came later and explains the change." in text(of_entry)
    assert f'href="event?event_id={event.event_id}"' in of_entry[1].decode()
    of_event = pages.event({"event_id": [event.event_id]})
    assert "It explains a difference seen at 2026-01-31 11:30:00" in text(of_event)
    assert address("event", event_id=entry.event_id) in of_event[1].decode()


def test_the_change_before_in_the_group_is_one_step_away(pages: Pages, estate: tuple[Store, Incident]) -> None:
    """What was done just before tells whether this was the third try."""
    said = text(pages.event({"event_id": [estate[1].widened.event_id]}))
    assert "The change before in this group: AuthorizeSecurityGroupIngress by sso/AdministratorAccess, 9 min ago." in said


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_no_page_says_a_hostile_text_as_it_came(pages: Pages, estate: tuple[Store, Incident], hostile: str) -> None:
    """What a caller of AWS wrote is shown, and does nothing."""
    event = next(event for event in estate[1].hostile if event.principal.name == f"role/{hostile}")
    shown = [
        pages.history({"event_id": [event.event_id]}),
        pages.event({"event_id": [event.event_id], "record": ["1"]}),
        pages.principal({"principal": [f"role/{hostile}"]}),
        pages.history({name: [hostile] for name in ("text", "security_group_id", "principal", "event_name", "region", "rule_id")}),
        pages.history({name: [hostile] for name in ("since", "until", "outcome", "after", "back")}),
    ]
    for _, body in shown:
        page = body.decode()
        assert re.findall(r"<(?:script|img|svg on|iframe|style)[^>]*>", page) == re.findall(r"<script src=\"page\.js[^>]*>", page)
        assert not re.search(r"href=\"(?!event|history|group|principal|metrics|\.|#|-/|api/|style|favicon)", page)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", page)
        assert len(page) < 200_000


def test_a_search_that_takes_too_long_says_to_ask_for_less(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "The store cannot be read" sends the person on call to the disk, when a shorter time would have answered."""

    def slow(_query: object) -> list[object]:
        raise TookTooLong("/var/lib/x/state.db: cannot search events: interrupted")

    monkeypatch.setattr(store, "search", slow)
    routes = {route.pattern: route for route in page_routes(Pages(store, dict, lambda: NOW))}
    answer = routes["/history"].handler(Request("GET", "/history", {}, {"QUERY_STRING": "text=x"}))
    said = text((answer.status, answer.body), HTTPStatus.SERVICE_UNAVAILABLE)
    assert "Ask for less: a shorter time" in said
    assert "/var/lib" not in said


def test_what_goes_wrong_is_a_page_too(pages: Pages) -> None:
    """A bare line of text has no way on."""
    refused = next(route for route in page_routes(pages) if route.pattern == "/history").refuse
    answer = refused(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a fault of the exporter. <b>", (("Allow", "GET"),))
    assert ("Allow", "GET") in answer.headers
    assert answer.content_type == "text/html; charset=utf-8"
    assert "Internal Server Error This is a fault of the exporter. <b> All changes" in text(
        (answer.status, answer.body), HTTPStatus.INTERNAL_SERVER_ERROR
    )


def test_a_lone_surrogate_ends_no_page(store: Store) -> None:
    """JSON may hold half a character, which UTF-8 cannot write."""
    pages = Pages(store, dict, lambda: NOW)
    assert pages.history({"text": ["\ud800"]})[0] is HTTPStatus.OK
    assert pages.event({"event_id": ["\ud800"]})[0] is HTTPStatus.NOT_FOUND
    assert pages.principal({"principal": ["\ud800"]})[0] is HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("typed", "leads_to"),
    [
        (BASTION, f"history?security_group_id={BASTION}"),
        ("  SG-0A1B2C3D ", "history?security_group_id=sg-0a1b2c3d"),
        ("sgr-0123456789abcdef0", "history?rule_id=sgr-0123456789abcdef0"),
        ("0a4c7d8e-1111-4222-8333-000000000001", "event?event_id=0a4c7d8e-1111-4222-8333-000000000001"),
        ("hash:" + "0" * 32, "event?event_id=hash%3A" + "0" * 32),
        ("alice 198.51.100.7", "history?text=alice+198.51.100.7"),
        ("sg-xyz", "history?text=sg-xyz"),
        ("", "history"),
        ("https://evil.example", "history?text=https%3A%2F%2Fevil.example"),
        ("x\r\nSet-Cookie: a", "history?text=x%0D%0ASet-Cookie%3A+a"),
        ("y" * 4000, "history"),
    ],
)
def test_the_search_leads_to_the_page_of_what_was_typed(typed: str, leads_to: str) -> None:
    """Whoever pastes the id of a group wants that group, and no address may lead away from here or into a header."""
    assert found_by({"q": [typed]}) == leads_to


def test_a_static_file_is_kept_for_ever_at_its_own_address_alone(pages: Pages) -> None:
    """The old address of a style sheet, kept for a year with the new content, would break every rollback."""
    routes = {route.pattern: route for route in page_routes(pages)}

    def kept(query: str) -> str:
        return dict(routes["/style.css"].handler(Request("GET", "/style.css", {}, {"QUERY_STRING": query})).headers)["Cache-Control"]

    (query,) = re.findall(r'href="style\.css\?([^"]+)"', pages.overview()[1].decode())
    assert kept(query) == "public, max-age=31536000, immutable"
    assert kept("v=000000000000") == kept("") == "no-cache"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7199, "1 h ago"), (86400, "24 h ago"), (4 * 86400, "4 days ago"),
     (100 * 86400, "3 months ago"), (800 * 86400, "2 years ago"), (-5, "just now"), (-600, "in 10 min")],
)  # fmt: skip
def test_an_age_is_said_in_one_unit(seconds: int, said: str) -> None:
    """Two clocks never agree: what happened "in 3 s" reads like a fault."""
    assert age(NOW - timedelta(seconds=seconds), NOW) == said


def test_only_attempts_are_read_again_for_their_record(estate: tuple[Store, Incident], monkeypatch: pytest.MonkeyPatch) -> None:
    """To unpack fifty records for a page that shows none of them is what makes it slow."""
    store, asked = estate[0], []
    search = store.search
    monkeypatch.setattr(store, "search", lambda query: asked.append(query) or search(query))
    Pages(store, dict, lambda: NOW).history({"principal": ["sso/AdministratorAccess"], "since": ["30m"]})
    raw = [query for query in asked if query.raw]
    assert [query.event_ids for query in raw] == [(estate[1].denied.event_id,)]
    assert estate[1].denied.outcome is Outcome.DENIED
