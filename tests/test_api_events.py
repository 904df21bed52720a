"""Searching by the API: filters, pages, bounds, entity tags and what is refused."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from exporter.history import row
from exporter.history.cursor import decode
from exporter.model import Outcome, Principal, PrincipalType, Resource
from exporter.posture.chronicle import Amendment
from exporter.store.base import PostureChange, Query
from exporter.web.api.events import MAX_BYTES
from exporter.web.api.filters import FILTERS
from tests.api_app import HOSTILE, Api
from tests.store_events import ACCOUNT, GROUP, NOON, REGION, made_up, make_event, rule_change

EVENTS = "/api/v1/events"


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    yield made
    made.world.store.close()


def ids(answer: Any) -> list[str]:
    return [event["event_id"] for event in answer.json["events"]]


def test_a_row_is_that_of_the_command(api: Api) -> None:
    """A script that reads `history --format json` must read the API as it is."""
    api.store(*made_up(1, 30))
    found = api.world.store.search(Query())
    assert api.ask(EVENTS).json == {"events": [row(item) for item in found], "next": None}
    assert api.ask(f"{EVENTS}/{found[3].event.event_id}").json == row(found[3])


def test_every_filter_finds_what_it_names_and_nothing_else(api: Api) -> None:
    """A filter that is dropped on the way shows the wrong person as the one who opened the port."""
    other = make_event(
        2, event_name="RevokeSecurityGroupIngress", account_id="444455556666", region="eu-west-1", outcome=Outcome.DENIED,
        event_time=NOON - timedelta(hours=3), security_groups=("sg-0fedcba9876543210",), resources=(), opened_port_classes=(),
        rule_changes=(rule_change("sgr-0fedcba9876543210", peer="203.0.113.9/32"),),
        principal=Principal(PrincipalType.IAM_USER, "user/bob", None, None, "444455556666", "192.0.2.77", "Boto3"),
    )  # fmt: skip
    api.store(make_event(1), other)
    wanted = {
        "security_group_id": "sg-0fedcba9876543210", "rule_id": "sgr-0fedcba9876543210", "event_name": "Revoke*", "principal": "user/b*",
        "account_id": "444455556666", "region": "eu-west-1", "outcome": "denied", "event_id": other.event_id,
        "until": "2026-01-31T10:00:00Z", "text": "BOTO3 192.0.2.77",
    }  # fmt: skip
    assert {*wanted, "since", "limit", "cursor"} == {parameter.name for parameter in FILTERS}
    for name, value in wanted.items():
        assert ids(api.ask(f"{EVENTS}?{urlencode({name: value})}")) == [other.event_id], name
    assert ids(api.ask(f"{EVENTS}?{urlencode(wanted)}")) == [other.event_id]
    assert ids(api.ask(f"{EVENTS}?since=2h")) == [make_event(1).event_id]
    assert ids(api.ask(f"{EVENTS}?region=eu-west-1&region=us-east-1&limit=1")) == [make_event(1).event_id]


def walk(api: Api, url: str, between: Any = lambda: None) -> list[list[str]]:
    """Return the ids of each page, as who follows the links reads them."""
    pages = []
    while True:
        answer = api.ask(url)
        pages.append(ids(answer))
        assert (answer.json["next"] is None) == ("Link" not in answer.headers)
        if answer.json["next"] is None:
            return pages
        (query,) = re.fullmatch(r'<(\?[!-~]+)>; rel="next"', answer.headers["Link"]).groups()  # type: ignore[union-attr]
        assert answer.json["next"] in query
        url = EVENTS + query
        between()


@pytest.mark.parametrize("limit", [1, 7, 100, 250])
def test_pages_show_each_event_once_while_others_are_stored(api: Api, limit: int) -> None:
    """By page numbers each new event would push an old one onto the next page, where it is read twice; or hide one."""
    api.store(*made_up(3, 300))
    old = [item.event.event_id for item in api.world.store.search(Query(outcomes=(Outcome.SUCCESS,), limit=10_000))]
    random_times, number = random.Random(limit), iter(range(9_000_000, 9_999_999))

    def store_more() -> None:
        api.store(*(make_event(next(number), event_time=NOON + timedelta(seconds=random_times.randrange(-4000, 4000))) for _ in range(3)))

    found = [event for page in walk(api, f"{EVENTS}?outcome=success&limit={limit}&since=900d", store_more) for event in page]
    assert [event for event in found if event in set(old)] == old
    assert len(set(found)) == len(found)


def test_a_relative_time_stays_what_it_was_from_page_to_page(api: Api) -> None:
    """Who reads the pages of the last hour for ten minutes must not lose what was 55 minutes old."""
    api.store(*(make_event(number, event_time=NOON - timedelta(minutes=number)) for number in range(60)))

    def later() -> None:
        api.world.now += timedelta(minutes=10)

    assert sum(map(len, walk(api, f"{EVENTS}?since=1h&limit=20", later))) == 60


def test_a_page_of_long_events_ends_early_and_the_next_goes_on(api: Api) -> None:
    """A thousand calls of a thousand rules each, with texts as long as AWS allows, would take the memory of the exporter."""
    rules = tuple(rule_change(f"sgr-{number:017x}", description="é" * 255, from_port=number) for number in range(1000))
    events = [make_event(number, rule_changes=rules, event_time=NOON - timedelta(seconds=number)) for number in range(20)]
    events.append(make_event(99, event_time=NOON + timedelta(seconds=1), principal=replace(events[0].principal, user_agent="x" * 10_000)))
    api.store(*events)
    assert len(api.ask(f"{EVENTS}?limit=1").body) < MAX_BYTES
    pages = walk(api, f"{EVENTS}?limit=1000")
    assert len(pages) > 1
    assert [event for page in pages for event in page] == [event.event_id for event in (events[-1], *events[:-1])]
    assert len(api.ask(f"{EVENTS}?limit=1000").body) < MAX_BYTES + 1000


def test_an_event_longer_than_a_page_is_a_page(api: Api) -> None:
    """If it never fitted, whoever follows the pages would stand before it for ever."""
    rules = tuple(rule_change(None, description="é" * 9000) for _ in range(100))
    api.store(*(make_event(number, rule_changes=rules, event_time=NOON - timedelta(seconds=number)) for number in range(2)))
    assert walk(api, EVENTS) == [[make_event(0).event_id], [make_event(1).event_id]]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=%2B5", "limit"),
        ("limit=05", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=", "limit"),
        ("outcome=maybe", "outcome"),
        ("event_id=ABC", "event_id"),
        ("since=yesterday", "since"),
        ("since=2026-02-30", "since"),
        ("since=2026-01-02&until=2026-01-01", "until"),
        ("region=", "region"),
        ("page=2", "page"),
        ("cursor=MS4x", "cursor"),
        ("cursor=%F0%9F%98%80", "cursor"),
        ("text=" + "x" * 257, "text"),
        ("&".join(["region=a"] * 51), "region"),
        ("&".join(["region=a"] * 65), "the query string"),
        ("region=%ff", "the query string"),
        ("region=\xe9", "the query string"),
        ("%3Cscript%3E=1", "a name that is none"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(api: Api, query: str, parameter: str) -> None:
    """A filter that is not understood must not be taken for none: the answer would be of everything."""
    answer = api.ask(f"{EVENTS}?{query}")
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert [error["parameter"] for error in answer.json["errors"]] == [parameter]
    assert all(error["allowed"] for error in answer.json["errors"])
    assert answer.json["status"] == 400
    assert "script" not in answer.body.decode()


def test_all_that_is_wrong_is_told_at_once(api: Api) -> None:
    """Nobody wants to mend a query one 400 after the other."""
    answer = api.ask(f"{EVENTS}?limit=x&since=x&foo=x")
    assert [error["parameter"] for error in answer.json["errors"]] == ["foo", "since", "limit"]


def test_a_query_string_that_is_too_long_is_refused_as_such(api: Api) -> None:
    """A program that builds its queries must learn that it asks too much in one."""
    assert api.ask(f"{EVENTS}?text={'x' * 5000}").status == 414


@pytest.mark.parametrize("text", ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "2016-12-31T23:59:60Z", "9999-12-31", "99999y"])
def test_any_time_that_the_standard_allows_is_one(api: Api, text: str) -> None:
    """Clocks of other programs know leap seconds, and other first and last years."""
    assert api.ask(f"{EVENTS}?since={quote(text)}").status == 200


@pytest.mark.parametrize("path", ["/x", "/hash:00", "/..%2f..%2fetc%2fpasswd", "/6c604d53-0000-4000-8000-000000000000", "/x/record"])
def test_what_is_not_stored_is_not_found(api: Api, path: str) -> None:
    """Not found is no error of the exporter, whatever the id looks like."""
    answer = api.ask(EVENTS + path)
    assert (answer.status, answer.headers["Content-Type"], answer.json["title"]) == (404, "application/problem+json", "Not Found")


def test_the_record_comes_as_it_was_stored(api: Api) -> None:
    """It is evidence: what is formatted anew is not what AWS wrote."""
    raw = b'{"eventVersion": "1.11",\n  "userAgent" : "\\u003cscript>alert(1)</script>", "n": 1.50}'
    api.store(make_event(1, raw=raw))
    answer = api.ask(f"{EVENTS}/{make_event(1).event_id}/record")
    assert answer.body == raw
    assert (answer.headers["Content-Type"], answer.headers["X-Content-Type-Options"]) == ("application/json", "nosniff")


def test_hostile_text_in_every_field_stays_text(api: Api) -> None:
    """Whoever calls AWS chooses user agents, names and descriptions; a client of the API must read them as what they are."""
    hostile = make_event(
        1, event_name=HOSTILE, event_source=HOSTILE, account_id=HOSTILE, region=HOSTILE, error_code=HOSTILE, error_message=HOSTILE,
        security_groups=(HOSTILE,), resources=(Resource(HOSTILE, HOSTILE),),
        principal=Principal(PrincipalType.ROLE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        rule_changes=(rule_change(HOSTILE, protocol=HOSTILE, peer=HOSTILE, description=HOSTILE),),
        raw=json.dumps({"userAgent": HOSTILE}).encode(),
    )  # fmt: skip
    api.store(hostile)
    named = quote(HOSTILE)
    for url in (
        EVENTS, f"{EVENTS}?principal={named}", f"{EVENTS}/{hostile.event_id}", f"{EVENTS}/{hostile.event_id}/record",
        f"/api/v1/groups/{quote(HOSTILE, safe='')}/{quote(HOSTILE, safe='')}/{quote(HOSTILE, safe='')}",
        f"/api/v1/principals?principal={named}", "/api/v1/overview", "/api/v1/open",
    ):  # fmt: skip
        answer = api.ask(url)
        assert answer.status == 200, url
        assert answer.body.isascii()
        assert answer.body.translate(None, b"\n").decode().isprintable(), url
        assert not any("\r" in value or "\n" in value for value in answer.headers.values())
        json.loads(answer.body)
    (event,) = api.ask(EVENTS).json["events"]
    assert event["principal"]["user_agent"] == event["rule_changes"][0]["description"] == event["region"] == HOSTILE


def test_an_unchanged_answer_is_not_sent_again(api: Api) -> None:
    """A dashboard that asks every minute costs nothing while nothing happens."""
    api.store(*made_up(1, 40))
    for url in (EVENTS, f"{EVENTS}?since=2026-01-01", f"{EVENTS}?since=90d", f"{EVENTS}/{make_event(1_000_000).event_id}", "/api/v1/open"):
        first = api.ask(url)
        tag = first.headers["ETag"]
        again = api.ask(url, IF_NONE_MATCH=f'"other", W/{tag}')
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag), url
        assert "Content-Length" not in again.headers
        assert first.headers["Cache-Control"] == again.headers["Cache-Control"] == "no-cache"
        assert api.ask(url, IF_NONE_MATCH='"other"').body == first.body
    tags = {api.ask(f"{EVENTS}?limit={limit}").headers["ETag"] for limit in (1, 2)} | {api.ask(EVENTS).headers["ETag"]}
    assert len(tags) == 3


def test_a_page_that_is_held_is_not_searched_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """To look through a million events only to say that nothing changed would make the tag worthless."""
    api.store(*made_up(1, 40))
    tag = api.ask(EVENTS).headers["ETag"]
    monkeypatch.setattr(type(api.world.store), "search", None)
    assert api.ask(EVENTS, IF_NONE_MATCH=tag).status == 304


def second(api: Api) -> None:
    """Let another source bring an event again."""
    api.world.store.append(replace_source(made_up(1, 1)[0]))


def replace_source(event: Any) -> Any:
    from exporter.store.base import Ingest

    return Ingest("s3", NOON, (event,), read=1)


def amend(api: Api) -> None:
    """Let a reading tell more of an event."""
    amendment = Amendment(made_up(1, 1)[0].event_id, (rule_change(None, description="told later"),))
    api.world.store.replace_posture(PostureChange(ACCOUNT, REGION, 0, NOON, "posture", amendments=(amendment,)))


def prune(api: Api) -> None:
    api.world.store.prune(NOON + timedelta(days=1))


def store(api: Api) -> None:
    api.store(make_event(77))


@pytest.mark.parametrize("change", [second, amend, prune, store])
def test_whatever_changes_the_answer_changes_its_tag(api: Api, change: Any) -> None:
    """A client that is told 304 goes on showing what is not so any more."""
    api.store(*made_up(1, 1))
    before = api.ask(EVENTS)
    change(api)
    after = api.ask(EVENTS, IF_NONE_MATCH=before.headers["ETag"])
    assert (after.status, after.body != before.body) == (200, True)


def test_gzip_is_for_those_who_take_it_and_another_entity(api: Api) -> None:
    """A cache that mixed up the two would hand compressed bytes to who cannot read them."""
    api.store(*made_up(1, 40))
    plain, packed = api.ask(EVENTS), api.ask(EVENTS, ACCEPT_ENCODING="gzip")
    assert (packed.json, packed.headers["Content-Encoding"]) == (plain.json, "gzip")
    assert len(packed.body) < len(plain.body) / 4
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert api.ask(EVENTS, ACCEPT_ENCODING="gzip").body == packed.body
    assert api.ask(EVENTS, ACCEPT_ENCODING="gzip", IF_NONE_MATCH=packed.headers["ETag"]).headers["ETag"] == packed.headers["ETag"]
    assert "Content-Encoding" not in api.ask(f"{EVENTS}?event_name=None", ACCEPT_ENCODING="gzip").headers


def test_head_tells_what_get_would_without_the_body(api: Api) -> None:
    """Monitors ask so."""
    api.store(make_event(1))
    got, head = api.ask(EVENTS), api.ask(EVENTS, "HEAD")
    assert (head.status, head.body, head.headers) == (200, b"", got.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_refused_as_a_problem(api: Api, method: str) -> None:
    """The API only reads, and says so in the form of all its errors."""
    answer = api.ask(f"{EVENTS}?limit=1", method)
    assert (answer.status, answer.headers["Allow"], answer.json["status"]) == (405, "GET, HEAD", 405)


def test_a_store_that_fails_is_a_problem_without_its_path(api: Api) -> None:
    """A program must be able to read that, too; and an attacker must not read where the files are."""
    api.world.store.close()
    answer = api.ask(EVENTS)
    assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert "memory" not in answer.body.decode()
    assert "a request failed" in api.log.getvalue()


def test_the_next_of_a_page_is_where_it_ended(api: Api) -> None:
    """The cursor is told to programs as a text, and must be the same position for each reader of it."""
    api.store(make_event(1), make_event(2, event_time=NOON - timedelta(hours=1)))
    answer = api.ask(f"{EVENTS}?security_group_id={GROUP}&limit=1").json
    assert decode(answer["next"]).event_id == answer["events"][0]["event_id"]
