"""The pages: every rule of a change can be read, a wrong question is an error with a remedy, links keep what was asked."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from exporter.catalog import DEFAULT_WATCH_SETS, Watch
from exporter.model import ChangeEvent
from exporter.parse import RecordParser
from exporter.store import Store, open_store
from exporter.store.base import Ingest
from exporter.web.pages import Pages
from tests.records import authorize

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def store() -> Iterator[Store]:
    """Return an empty store; it is closed at the end."""
    opened = open_store(Path(":memory:"))
    yield opened
    opened.close()


@pytest.fixture
def pages(store: Store) -> Pages:
    """Return the pages over the store, before any poll."""
    return Pages(store, dict, lambda: NOW)


def fill(store: Store, *records: dict[str, object]) -> None:
    """Store records as a poll would."""
    parser = RecordParser(Watch(DEFAULT_WATCH_SETS, ()), lambda _: ())
    events = [
        parsed for parsed in (parser.parse(record, json.dumps(record).encode()) for record in records) if isinstance(parsed, ChangeEvent)
    ]
    store.append(Ingest("files", NOW, events, read=len(events)))


@pytest.mark.parametrize("rules", [1, 20, 21, 22, 60])
def test_every_rule_of_a_change_is_on_the_page(store: Store, pages: Pages, rules: int) -> None:
    """The page is where the alert leads; "and 40 more rules" would be its last word on who may come in."""
    items = [
        {"ipProtocol": "tcp", "fromPort": port, "toPort": port, "ipRanges": {"items": [{"cidrIp": "192.0.2.0/24"}]}}
        for port in range(1, rules + 1)
    ]
    fill(store, authorize(1, requestParameters={"groupId": "sg-0123456789abcdef0", "ipPermissions": {"items": items}}))
    status, body = pages.history({})
    assert status is HTTPStatus.OK
    assert re.findall(r"\+ ingress tcp (\d+) from", body.decode()) == [str(port) for port in range(1, rules + 1)]
    folded = re.search(r"<summary>(\d+) more lines</summary>", body.decode())
    assert (int(folded.group(1)) if folded else 0) == (rules - 20 if rules > 21 else 0)


def test_a_link_to_one_event_shows_that_event_alone(store: Store, pages: Pages) -> None:
    """The exemplar of a count names the event behind it; a list of all changes would leave the search to the reader."""
    fill(store, authorize(1), authorize(2), authorize(3))
    event_id = str(authorize(2)["eventID"])
    body = pages.history({"event_id": [event_id]})[1].decode()
    assert body.count("<article") == 1
    assert f'href="event?event_id={event_id}"' in body
    status, body_of_none = pages.history({"event_id": ['"><script>']})
    assert status is HTTPStatus.OK
    assert b"No change is stored that matches." in body_of_none
    assert b"<script>" not in body_of_none


@pytest.mark.parametrize(
    ("parameters", "remedy"),
    [
        ({"after": ["abc"]}, "the link to this page of the history is damaged"),
        ({"after": ["MS4w"]}, "the link to this page of the history is damaged"),
        ({"since": ["yesterday"]}, "is no time; write it as 90d"),
        ({"since": ["90d"], "until": ["120d"]}, "until must be later than since"),
        ({"outcome": ["forbidden"]}, "is no outcome; choose success, noop, denied, failed, dry_run"),
    ],
)
def test_a_wrong_question_is_an_error_with_a_remedy(pages: Pages, parameters: dict[str, list[str]], remedy: str) -> None:
    """An empty list would read as "nobody changed anything"."""
    status, body = pages.history(parameters)
    assert status is HTTPStatus.BAD_REQUEST
    assert remedy in body.decode()
    assert "No change is stored" not in body.decode()
    assert "invalid literal" not in body.decode()


def test_what_is_wrong_is_said_at_its_field(pages: Pages) -> None:
    """A screen reader tells of a field that is wrong only where the field itself says so, and a closed form hides it from everybody."""
    body = pages.history({"since": ["yesterday"], "region": ["us-east-1"]})[1].decode()
    assert re.search(r'<input name="since"[^>]* value="yesterday"[^>]* aria-invalid="true" aria-describedby="error-since"', body)
    assert 'id="error-since"' in body
    assert '<details class="filters" open>' in body
    assert re.search(r'<input name="region"[^>]* value="us-east-1"', body), "what was right is kept"
    assert body.count("aria-invalid") == 1


def link(body: str, rel: str) -> dict[str, list[str]] | None:
    """Return the query string of the link to the next or previous page, None where there is none."""
    found = re.search(rf'rel="{rel}" href="history\?([^"]*)"', body)
    return parse_qs(html.unescape(found.group(1))) if found else None


def ids(body: str) -> list[str]:
    """Return the ids of the events of a page, in order."""
    return re.findall(r'<div class="when"><a href="event\?event_id=([^"]+)"', body)


def test_pages_show_every_event_once_in_order_whatever_comes_meanwhile(store: Store, pages: Pages) -> None:
    """A page that begins by counting from the newest shows events twice, or leaves some out, as soon as a new one is stored."""
    fill(store, *(authorize(number, when=NOW - timedelta(minutes=number)) for number in range(1, 125)))
    body = pages.history({"account_id": ["111122223333"]})[1].decode()
    assert link(body, "prev") is None
    seen = ids(body)
    fill(store, authorize(999, when=NOW))
    asked = link(body, "next")
    assert asked is not None
    assert asked["account_id"] == ["111122223333"], "the second page of one account must not be that of all accounts"
    second = pages.history(asked)[1].decode()
    seen += ids(second)
    third = pages.history(link(second, "next") or {})[1].decode()
    seen += ids(third)
    assert seen == [str(authorize(number)["eventID"]) for number in range(1, 125)]
    assert link(third, "next") is None

    back = link(third, "prev")
    assert back is not None
    assert ids(pages.history(back)[1].decode()) == ids(second)
    first = link(pages.history(back)[1].decode(), "prev")
    assert first is not None
    assert ids(pages.history(first)[1].decode())[0] == str(authorize(999)["eventID"]), "the newest is new"


def test_the_way_back_is_bounded(store: Store, pages: Pages) -> None:
    """A link that grows with each page would end up longer than a request may be, and the reader stuck at page forty."""
    fill(store, *(authorize(number, when=NOW - timedelta(minutes=number)) for number in range(1, 1102)))
    asked: dict[str, list[str]] | None = {}
    longest, last = 0, ""
    for _ in range(22):
        last = pages.history(asked or {})[1].decode()
        asked = link(last, "next")
        longest = max(longest, *(len(found) for found in re.findall(r'href="(history[^"]*)"', last)))
        if asked is None:
            break
    assert longest < 2000
    assert link(last, "prev") is not None
    assert '<a href="history">Newest</a>' in last


def test_filters_of_a_link_are_chips_that_can_be_taken_away_one_by_one(store: Store, pages: Pages) -> None:
    """The form is folded so that the answer is seen at once; then the chips must say what was asked, and undo it."""
    fill(store, authorize(1))
    body = pages.history({"account_id": ["111122223333"], "region": ["us-east-1"], "principal": ["user/a", "user/b"]})[1].decode()
    chips = html.unescape(body[body.index('<ul class="chips"') : body.index("</ul>", body.index('<ul class="chips"'))])
    assert '<details class="filters">' in body
    assert 'href="history?account_id=111122223333&principal=user%2Fa&principal=user%2Fb"' in chips
    assert 'href="history?account_id=111122223333&region=us-east-1&principal=user%2Fb"' in chips
    assert "Remove the filter Principal user/a" in chips


def test_an_attempt_shows_what_it_was_for(store: Store, pages: Pages) -> None:
    """That somebody was denied says little; that it was ssh for everyone says all, and only the raw record tells."""
    fill(store, authorize(1, errorCode="Client.UnauthorizedOperation", errorMessage="You are not authorized", responseElements=None))
    body = pages.history({})[1].decode()
    assert "Asked for, not done:" in body
    assert "+ ingress tcp 22 from 0.0.0.0/0" in body
    assert "Denied: <bdi>Client.UnauthorizedOperation</bdi>" in body
    assert "Opened to the internet" not in body
