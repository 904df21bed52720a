"""Text from CloudTrail is the attacker's; what people read of it must be inert."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.text import visible
from exporter.timespan import parse_moment

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.text())
def test_nothing_that_moves_a_cursor_survives(text: str) -> None:
    """A newline forges a log line, an escape sequence rewrites the terminal, an override turns text around."""
    for character in visible(text, 10_000):
        assert unicodedata.category(character) not in ("Cc", "Zl", "Zp", "Cs")
        assert character not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\ufeff"


def test_ordinary_text_stays_as_it_is() -> None:
    """Names in any script are still names."""
    assert visible("Großmutter 北京 console.amazonaws.com") == "Großmutter 北京 console.amazonaws.com"


def test_escapes_show_what_was_there() -> None:
    """The reader must see that something was hidden."""
    assert visible("a\x1b[31m\u202eb\n") == "a\\x1b[31m\\u202eb\\x0a"


def test_long_text_is_cut() -> None:
    """A 10 kB user agent must not fill the page."""
    assert len(visible("x" * 20_000, 100)) == 100


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90d", NOW - timedelta(days=90)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T13:00:00Z", datetime(2026, 1, 31, 13, tzinfo=UTC)),
        ("2026-01-31T13:00:00+02:00", datetime(2026, 1, 31, 11, tzinfo=UTC)),
        ("2026-01-31 13:00", datetime(2026, 1, 31, 13, tzinfo=UTC)),
    ],
)
def test_moments_read_as_people_type_them(text: str, moment: datetime) -> None:
    """A time without an offset is UTC, as CloudTrail's are."""
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "9d9", "0001-01-01T00:00:00+23:00"])
def test_what_is_no_moment_is_refused_with_a_remedy(text: str) -> None:
    """A filter that is silently dropped shows the wrong history."""
    with pytest.raises(ValueError, match="write it as 90d"):
        parse_moment(text, NOW)


def test_more_time_than_there_is_means_the_beginning() -> None:
    """`--since 9999y` asks for everything."""
    assert parse_moment("9999y", NOW) == datetime.min.replace(tzinfo=UTC)
