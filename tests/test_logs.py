"""Log lines: what fails to be written stops nothing."""

from __future__ import annotations

import errno
import io
import json

import pytest

from exporter.logs import make_logger


class FullDisk(io.StringIO):
    """What standard error is when it goes to a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_log_that_cannot_be_written_raises_nothing(form: str) -> None:
    """A full disk under the log must not end the watching: the poll that says what it stored would fail by saying so."""
    make_logger("info", form, FullDisk()).info("change", who="user/alice")


def test_a_log_that_was_closed_raises_nothing() -> None:
    """As at the end of a process, when a thread still speaks."""
    stream = io.StringIO()
    stream.close()
    make_logger("info", "json", stream).info("stopped")


@pytest.mark.parametrize("form", ["console", "json"])
def test_one_event_is_one_line_whatever_it_holds(form: str) -> None:
    """Otherwise whoever chooses a session name writes our log."""
    stream = io.StringIO()
    forged = 'x\n2026-01-31T12:00:00Z [info] change who=root\r\u2028\x1b[2K\x85{"event":"change"}'
    make_logger("info", form, stream).info("change", who=forged, security_groups=[forged], detail={forged: forged})
    text = stream.getvalue()
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    if form == "json":
        assert json.loads(text)["event"] == "change"


def test_a_traceback_cannot_pass_for_lines_of_the_log() -> None:
    """The message of an exception may quote a record, and what a record holds anyone may choose."""
    stream = io.StringIO()
    try:
        raise ValueError("x\n2026-01-31T12:00:00Z [info     ] change who=root\r\x1b[2K")
    except ValueError:
        make_logger("info", "console", stream).error("poll failed", exc_info=True)
    first, *rest = stream.getvalue().split("\n")
    assert "poll failed" in first
    assert [line for line in rest if line and not line.startswith("  ")] == []
    assert "\x1b" not in stream.getvalue()
    assert "ValueError: x" in stream.getvalue()
