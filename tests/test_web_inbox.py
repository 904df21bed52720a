"""What has come of a request: whole, not whole, or turned away, however it was cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.inbox import Inbox, Turned

GET = b"GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\n\r\n"
POST = b"POST /-/reload HTTP/1.1\r\nhost: a\r\nContent-Length: 5\r\n\r\nhello"


def outcome(data: bytes, pieces: list[int] | None = None) -> int | str | None:
    """Return the length of the whole request, the reason of its refusal, or None."""
    inbox = Inbox()
    found: int | Turned | None = None
    for begin, end in zip([0, *(pieces or [])], [*(pieces or []), len(data)], strict=True):
        inbox.add(data[begin:end])
        found = inbox.whole()
        if found is not None:
            break
    return found.reason if isinstance(found, Turned) else found


@given(st.sampled_from([GET, POST, b"\r\n" + GET, b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\n\n"]), st.data())
def test_a_request_is_whole_at_its_last_byte_however_it_comes(request_, data):
    """Networks cut where they like; a request that is taken for half would wait for ever."""
    cuts = sorted(data.draw(st.sets(st.integers(1, len(request_) - 1))))
    assert outcome(request_, cuts) == len(request_)
    assert outcome(request_[:-1]) is None


def test_what_follows_a_request_is_the_next_one():
    """Clients may send several at once, and each must be answered."""
    inbox = Inbox()
    inbox.add(POST + GET + GET[:5])
    assert inbox.whole() == len(POST)
    assert inbox.take(len(POST)) == POST
    assert inbox.whole() == len(GET)
    assert inbox.take(len(GET)) == GET
    assert inbox.whole() is None
    assert len(inbox) == 5


def head(*lines: bytes) -> bytes:
    """Return a request with these headers."""
    return b"\r\n".join([b"GET / HTTP/1.1", *lines, b"", b""])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET /" + b"x" * 9000, "line"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", "line"),
        (b"\x16\x03\x01" + b"\0" * 9000, "line"),
        (head(b"Host: a", b"X: " + b"x" * 17_000), "header"),
        (head(b"Host: a")[:-2] + b"X: " + b"x" * 17_000, "header"),
        (head(b"Host: a", *[b"X: 1"] * 64), "header"),
        (head(b"Host: a", b"no colon"), "malformed"),
        (head(b"Host: a", b" folded: 1"), "malformed"),
        (head(b"Host: a", b"Content-Length : 1"), "malformed"),
        (head(b"Host: a", b"Content-Length: +1"), "malformed"),
        (head(b"Host: a", b"Content-Length: 1, 1"), "malformed"),
        (head(b"Host: a", b"Content-Length: 1", b"content-length: 2"), "malformed"),
        (head(b"Host: a", b"X: a\0b"), "malformed"),
        (head(b"Host: a", b"X: a\rb"), "malformed"),
        (head(b"Host: a", b"Host: b"), "malformed"),
        (head(), "malformed"),
        (head(b"Host: a", b"Transfer-Encoding: chunked"), "body"),
        (head(b"Host: a", b"Content-Length: 5", b"Transfer-Encoding: chunked"), "body"),
        (head(b"Host: a", b"Content-Length: 8193"), "body"),
        (head(b"Host: a", b"Content-Length: " + b"9" * 5000), "body"),
    ],
)
def test_what_is_too_long_or_can_be_read_in_two_ways_is_turned_away(data, reason):
    """A head without end fills the memory; one that a proxy reads otherwise smuggles a request past its login."""
    assert outcome(data) == reason


@given(st.lists(st.binary(max_size=200), max_size=100))
def test_no_bytes_whatever_make_it_fail_or_grow(chunks):
    """The first thing that comes in through this door is a scanner's rubbish."""
    inbox = Inbox()
    for chunk in chunks:
        inbox.add(chunk)
        found = inbox.whole()
        if found is not None:
            assert isinstance(found, Turned) or 0 < found <= len(inbox)
            break
    else:
        assert len(inbox) <= 16 * 1024 + 8 * 1024
