"""Bounded reading of plain and gzip files, piece by piece; what a damaged stream still holds is not lost.

Only the streaming object is safe here: the one-shot `isal_zlib.decompress` and `zlib.decompress` drop every
gzip member after the first without an error (RFC 1952 section 2.2 allows several), and bound nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from isal import igzip_lib

from exporter.errors import MALFORMED_REASONS

PIECE = 96 * 2**10
"""Bytes read and decompressed at once. Below 128 KiB, from where the C library takes fresh pages of the system for each block."""

_MAGIC = b"\x1f\x8b"
_SALVAGE_STEP = 4096


class Damage(Exception):
    """The stream ends before its proper end: `reason` is one of MALFORMED_REASONS."""

    def __init__(self, reason: str, detail: str) -> None:
        assert reason in MALFORMED_REASONS, reason
        super().__init__(detail)
        self.reason = reason


def is_gzip(file: BinaryIO) -> bool:
    """Tell from the first bytes, whatever the name says; the position is at the start afterwards."""
    file.seek(0)
    magic = file.read(len(_MAGIC))
    file.seek(0)
    return magic == _MAGIC


def plain_pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes from the current position on."""
    while piece := file.read(PIECE):
        yield piece


def gunzip_pieces(file: BinaryIO, limit: int) -> Iterator[bytes]:
    """Yield the text of a gzip file, of all its members, up to `limit` bytes; raise Damage where it breaks.

    Zero bytes after a member are padding (tapes, some uploaders). On a wrong checksum or a broken block
    all text before the break is yielded first: records are evidence, and each is still checked by itself.
    """
    allowed = limit
    for piece in _members(file):
        if len(piece) > allowed:
            yield piece[:allowed]
            raise Damage("too_large", f"more than {limit} bytes once decompressed; raise max_file_size if that is no attack")
        allowed -= len(piece)
        yield piece


def _members(file: BinaryIO) -> Iterator[bytes]:
    data = file.read(PIECE)
    start = 0  # of the member, in the file
    while True:
        decoder = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        given = 0
        try:
            while not decoder.eof:
                if decoder.needs_input and not data and not (data := file.read(PIECE)):
                    raise Damage("truncated", "the gzip stream ends in the middle")
                piece = decoder.decompress(data, PIECE)
                data = b""
                given += len(piece)
                if piece:
                    yield piece
        except igzip_lib.IsalError as error:  # type: ignore[misc]  # an exception class that the stub calls an object
            yield from _salvage(file, start, given)
            raise Damage("gzip", f"the gzip stream is damaged: {error}") from None
        data = decoder.unused_data.lstrip(b"\0")
        while not data:
            chunk = file.read(PIECE)
            if not chunk:
                return
            data = chunk.lstrip(b"\0")
        start = file.tell() - len(data)
        if not _MAGIC.startswith(data[:2]):
            raise Damage("gzip", "what follows the gzip stream is no gzip")


def _salvage(file: BinaryIO, start: int, given: int) -> Iterator[bytes]:
    """Yield the text of a damaged member that was not given yet, as far as it goes.

    igzip_lib drops the output of the call that fails; zlib, fed byte by byte near the break, keeps it.
    """
    file.seek(start)
    decoder = zlib.decompressobj(31)
    skip = given
    broken = False
    while not broken and not decoder.eof and (chunk := file.read(_SALVAGE_STEP)):
        before = decoder.copy()
        try:
            pieces = list(_inflate(decoder, chunk))
        except zlib.error:
            pieces, broken = list(_inflate_bytes(before, chunk)), True
        for piece in pieces:
            if len(piece) > skip:
                yield piece[skip:]
            skip = max(0, skip - len(piece))


def _inflate(decoder: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    while chunk:
        yield decoder.decompress(chunk, PIECE)
        chunk = decoder.unconsumed_tail


def _inflate_bytes(decoder: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    try:
        for byte in chunk:
            yield from _inflate(decoder, bytes((byte,)))
    except zlib.error:
        return
