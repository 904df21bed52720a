"""Patterns of names, in which `*` stands for any run of characters."""

from __future__ import annotations

from collections.abc import Callable


def glob(pattern: str) -> Callable[[str], bool]:
    """Return a test of whole texts against a pattern in which `*` stands for any run of characters.

    Takes time in proportion to the text however many stars there are, unlike GLOB and regular expressions;
    and unlike GLOB it does not stop at a NUL. Nothing but `*` is special.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return lambda text: text == pattern
    *middle, last = rest

    def matches(text: str) -> bool:
        if not text.startswith(first):
            return False
        at = len(first)
        for part in middle:
            found = text.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return len(text) - at >= len(last) and text.endswith(last)

    return matches
