"""Time and version of a record."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from exporter.errors import MalformedRecord
from exporter.parse.moment import check_version, event_time, version


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2019-08-05T07:16:31Z", datetime(2019, 8, 5, 7, 16, 31, tzinfo=UTC)),
        ("2019-08-05t07:16:31z", datetime(2019, 8, 5, 7, 16, 31, tzinfo=UTC)),
        ("2019-08-05T07:16:31.250Z", datetime(2019, 8, 5, 7, 16, 31, 250000, tzinfo=UTC)),
        ("2019-08-05T07:16:31.123456789Z", datetime(2019, 8, 5, 7, 16, 31, 123456, tzinfo=UTC)),
        ("2019-08-05T09:16:31+02:00", datetime(2019, 8, 5, 7, 16, 31, tzinfo=UTC)),
        ("2019-08-05T02:46:31-0430", datetime(2019, 8, 5, 7, 16, 31, tzinfo=UTC)),
        ("2021-01-24 04:55:45.000", datetime(2021, 1, 24, 4, 55, 45, tzinfo=UTC)),
        ("2021-01-24 04:55:45", datetime(2021, 1, 24, 4, 55, 45, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_every_spelling_met(given: str, moment: datetime) -> None:
    """Data lakes rewrite times; an unread time would lose the event."""
    parsed = event_time(given)
    assert parsed == moment
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "...",
        0,
        1565000000,
        True,
        [],
        {},
        "2019-08-05",
        "2019-W32-1T07:16:31Z",
        "20190805T071631Z",
        "2019-02-30T00:00:00Z",
        "2019-08-05T24:00:01Z",
        "2019-08-05T07:16:31+99:00",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2019-08-05T07:16Z",
        "٢019-08-05T07:16:31Z",
        "2019-08-05T07:16:31Z\n",
        "2" * 10000,
    ],
)
def test_what_is_no_time_is_malformed(given: object) -> None:
    """A guessed time would put an event into the wrong hour of history."""
    with pytest.raises(MalformedRecord) as raised:
        event_time(given)
    assert raised.value.reason == "event_time"
    assert len(str(raised.value)) < 300


def test_versions_compare_as_numbers() -> None:
    """As text, 1.10 stands before 1.08."""
    assert version("1.08") == (1, 8)
    assert version("1.10") == (1, 10)
    assert version("1.08") < version("1.10") < version("1.11")  # type: ignore[operator]
    assert version(1.5) == (1, 5)


@pytest.mark.parametrize(
    "given", ["1.0", "1.00", "1.08", "1.11", "1.12", "1.999", "1", 1, 1.05, None, "", "foo", "...", [], {}, "1.x", "v2"]
)
def test_minor_versions_and_no_version_are_accepted(given: object) -> None:
    """Minors only add fields, and the oldest records have no version."""
    check_version(given)


@pytest.mark.parametrize("given", ["2.0", "2", 2, "0.9", "10.1", 2.5, "999999999.1"])
def test_another_major_version_is_malformed(given: object) -> None:
    """Fields may mean something else there."""
    with pytest.raises(MalformedRecord) as raised:
        check_version(given)
    assert raised.value.reason == "event_version"
