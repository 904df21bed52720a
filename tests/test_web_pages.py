"""The pages: every rule of a change can be read, a wrong question is an error with a remedy, links keep what was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

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
    events = [parsed for parsed in (parser.parse(record, b"{}") for record in records) if isinstance(parsed, ChangeEvent)]
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
    body = pages.history({"event_id": event_id})[1].decode()
    assert body.count('class="head"') == 1
    assert f"<dd>{event_id}</dd>" in body
    status, body_of_none = pages.history({"event_id": '"><script>'})
    assert status is HTTPStatus.OK
    assert b"No change is stored that matches." in body_of_none
    assert b"<script>" not in body_of_none


@pytest.mark.parametrize(
    ("parameters", "remedy"),
    [
        ({"page": "abc"}, "is no number of a page; 0 is the first"),
        ({"page": "-1"}, "is no number of a page; 0 is the first"),
        ({"page": "\u0661"}, "is no number of a page; 0 is the first"),
        ({"since": "yesterday"}, "is no time; write it as 90d"),
        ({"since": "90d", "until": "120d"}, "until must be later than since"),
    ],
)
def test_a_wrong_question_is_an_error_with_a_remedy(pages: Pages, parameters: dict[str, str], remedy: str) -> None:
    """An empty list would read as "nobody changed anything"."""
    status, body = pages.history(parameters)
    assert status is HTTPStatus.BAD_REQUEST
    assert remedy in body.decode()
    assert "No change is stored" not in body.decode()
    assert "invalid literal" not in body.decode()


def test_the_links_between_pages_keep_what_was_asked(store: Store, pages: Pages) -> None:
    """The second page of one account must not be that of all accounts."""
    fill(store, *(authorize(number, when=NOW - timedelta(minutes=number)) for number in range(1, 203)))
    asked = {"account_id": "111122223333"}
    first = pages.history(asked)[1].decode()
    assert 'rel="next" href="history?account_id=111122223333&amp;page=1"' in first
    assert 'rel="prev"' not in first
    second = pages.history({**asked, "page": "1"})[1].decode()
    assert 'rel="prev" href="history?account_id=111122223333&amp;page=0"' in second
    last = pages.history({**asked, "page": "2"})[1].decode()
    assert 'rel="next"' not in last
    assert last.count('class="head"') == 2
    assert pages.history({"page": "9" * 5000})[0] is HTTPStatus.OK
