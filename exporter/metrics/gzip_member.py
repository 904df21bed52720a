"""One gzip member put together from blocks that were compressed apart, so that only what changed is compressed again.

Each block is raw deflate that ends in a full flush: on a byte, with nothing remembered across it (RFC 1951, section 3.2.4;
RFC 1952). Gzip members set one after the other would be simpler and break `curl --compressed`, and every reader that
stops after the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from isal import isal_zlib

_LEVEL = 2
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no name, no time: equal pages are equal bytes
_FINAL_BLOCK = b"\x03\x00"  # empty, with fixed codes, and marked as the last


class Block(NamedTuple):
    """A stretch of the page: flushed deflate, and the checksum and length of the text in it."""

    deflate: bytes
    crc: int
    size: int


EMPTY = Block(b"", 0, 0)


def compress(text: bytes) -> Block:
    """Return the block that holds a text."""
    if not text:
        return EMPTY
    stream = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -15)
    return Block(stream.compress(text) + stream.flush(isal_zlib.Z_FULL_FLUSH), isal_zlib.crc32(text), len(text))


def concatenate(blocks: Iterable[Block]) -> Block:
    """Return one block that holds the texts of all, without looking at a single byte of them."""
    parts: list[bytes] = []
    crc = size = 0
    combine = isal_zlib.crc32_combine
    for deflate, block_crc, block_size in blocks:
        parts.append(deflate)
        crc = combine(crc, block_crc, block_size)
        size += block_size
    return Block(b"".join(parts), crc, size)


def member(blocks: Iterable[Block]) -> bytes:
    """Return the complete gzip file of the texts of all blocks."""
    deflate, crc, size = concatenate(blocks)
    return b"".join((_HEADER, deflate, _FINAL_BLOCK, crc.to_bytes(4, "little"), (size & 0xFFFFFFFF).to_bytes(4, "little")))
