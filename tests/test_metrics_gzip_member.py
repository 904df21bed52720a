"""One gzip member from blocks that were compressed apart."""

from __future__ import annotations

import gzip
import subprocess
import threading
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.gzip_member import EMPTY, compress, concatenate, member

LINES = [b'awschange_events_total{region="us-east-1"} %d\n' % number * 200 for number in range(20)]


def single_member(body: bytes) -> bytes:
    """Return the text of the first gzip member, which must be all that there is."""
    reader = zlib.decompressobj(wbits=31)
    text = reader.decompress(body) + reader.flush()
    assert reader.eof
    assert reader.unused_data == b""
    return text


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_the_blocks_read_back_as_one_text(texts):
    """Otherwise a scrape ends in a checksum error."""
    body = member(compress(text) for text in texts)
    assert gzip.decompress(body) == single_member(body) == b"".join(texts)


def test_blocks_of_blocks_read_back_as_one_text():
    """Otherwise the part of the page that did not change cannot be kept as one."""
    inner = concatenate(map(compress, LINES))
    assert single_member(member((inner, EMPTY, compress(b"end\n"), inner))) == b"".join(LINES) + b"end\n" + b"".join(LINES)


def test_a_block_does_not_lean_on_the_one_before():
    """Otherwise a changed block would break all that follow it."""
    first, second = compress(LINES[0]), compress(LINES[1])
    assert single_member(member((second, first))) == LINES[1] + LINES[0]


def test_the_same_text_is_the_same_bytes():
    """Otherwise a cache in between sees a change where there is none."""
    assert member(map(compress, LINES)) == member(map(compress, LINES))


def test_it_is_much_smaller_than_the_text():
    """Otherwise the flushes cost what compression gains."""
    assert len(member(map(compress, LINES))) < len(b"".join(LINES)) / 20


def test_curl_reads_it(program):
    """Otherwise people see exit code 23, as they do with concatenated members."""
    text = b"".join(LINES)
    body = member(map(compress, LINES))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Say nothing."""

    curl = program("curl")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/metrics"
        done = subprocess.run(
            [curl, "--noproxy", "*", "--silent", "--show-error", "--compressed", "--max-time", "20", url], capture_output=True, check=False
        )
        thread.join()
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == text


def test_the_page_is_not_compressed_at_the_highest_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """prometheus_client gzips every scrape at level 9: a third of a second of CPU for 100,000 series, each time."""

    def refused(*_arguments: object, **_options: object) -> bytes:
        raise AssertionError("the standard library's gzip was called for a page")

    monkeypatch.setattr(gzip, "compress", refused)
    monkeypatch.setattr(zlib, "compress", refused)
    monkeypatch.setattr(zlib, "compressobj", refused)
    text = b"".join(b'awschange_events_total{account_id="111122223333",n="%d"} %d\n' % (number, number % 7) for number in range(2000))
    page = member([compress(text)])
    monkeypatch.undo()
    assert gzip.decompress(page) == text
    # RFC 1952: XFL 2 would say slowest, best compression.
    assert page[8] != 2
    assert len(page) > len(gzip.compress(text, 9))
