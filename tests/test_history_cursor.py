"""Cursors: text in a URL that anybody may change."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.history.cursor import decode, encode
from exporter.store.base import Position
from tests.store_events import NOON, event_id

POSITIONS = st.builds(
    Position,
    st.datetimes(timezones=st.just(UTC)),
    st.one_of(st.uuids().map(str), st.binary(min_size=16, max_size=16).map(lambda digest: f"hash:{digest.hex()}")),
)


@given(POSITIONS)
@example(Position(datetime.min.replace(tzinfo=UTC), event_id(3)))
@example(Position(datetime.max.replace(tzinfo=UTC), event_id(3)))
def test_a_cursor_is_read_back_as_the_position_it_was_made_of(position: Position) -> None:
    """A microsecond off, and the next page repeats an event or leaves one out."""
    text = encode(position)
    assert decode(text) == position
    assert text.replace("-", "").replace("_", "").isalnum()
    assert len(text) < 100


@given(st.one_of(st.text(max_size=200), st.text("ABCDEFabcdef0123456789-_=. ", max_size=120)))
def test_any_other_text_is_refused(text: str) -> None:
    """What crashes here is a 500 for whoever plays with the URL, and a search from nowhere hides events."""
    with pytest.raises(ValueError, match="unchanged"):
        decode(text)


@given(POSITIONS, st.integers(0, 90), st.characters())
def test_a_cursor_that_was_changed_is_refused_or_another_position(position: Position, at: int, character: str) -> None:
    """Each position has one spelling: an entity tag or a cache must not see two."""
    text = encode(position)
    changed = text[:at] + character + text[at + 1 :]
    try:
        found = decode(changed)
    except ValueError:
        return
    assert encode(found) == changed
    assert (found == position) == (changed == text)


@pytest.mark.parametrize(
    "plain",
    [
        "1.0.nobody",
        f"2.0.{event_id(1)}",
        f"1.00.{event_id(1)}",
        f"1.-0.{event_id(1)}",
        f"1.999999999999999999.{event_id(1)}",
        f"1.0.{event_id(1)}\n",
    ],
)
def test_what_only_looks_like_one_is_refused(plain: str) -> None:
    """Of another version, or of a time that there is not."""
    with pytest.raises(ValueError, match="unchanged"):
        decode(base64.urlsafe_b64encode(plain.encode()).decode().rstrip("="))


def test_a_cursor_is_the_same_in_every_release() -> None:
    """Bookmarks and the state of clients outlive an upgrade."""
    text = "MS4xNzY5ODYwODAwMDAwMDAwLmhhc2g6"
    assert encode(Position(NOON, event_id(3))).startswith(text)
