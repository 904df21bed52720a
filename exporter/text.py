"""Attacker-controlled text made safe for people to read: one line, bounded, nothing that moves a cursor."""

from __future__ import annotations

import re

# C0 and C1 controls, line and paragraph separators, bidirectional overrides and isolates, zero-width
# characters and tags: all that can forge a log line, hide text or turn it around on a terminal.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(text: str, limit: int = 1024) -> str:
    """Return the text with unsafe characters written as escapes, cut to `limit` characters."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_escape, text)
