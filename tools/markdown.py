"""The few pieces of Markdown that generated pages are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def notice(source: str) -> str:
    """Return the line that tells a reader of the raw page where to make changes."""
    return f"<!-- Generated from {source} by `make generate`; edit that instead. -->"


def cell(text: str) -> str:
    """Return text that cannot break out of a table cell."""
    return " ".join(text.replace("|", "\\|").split())


def code(text: str) -> str:
    """Return text set as code, for a table cell."""
    return f"`{text}`"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; every row must have as many cells as the header."""
    lines = [list(header), ["---"] * len(header), *([cell(text) for text in row] for row in rows)]
    if any(len(line) != len(header) for line in lines):
        raise ValueError(f"a row of the table {', '.join(header)} has the wrong number of cells")
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(*blocks: str) -> str:
    """Return the blocks as one page, an empty line between them."""
    return "\n\n".join(block.strip("\n") for block in blocks) + "\n"
