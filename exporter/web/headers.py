"""Headers that stand on every answer, whoever makes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Headers = Sequence[tuple[str, str]]

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Scripts and styles come from files of ours; nothing inline ever runs."""

SECURITY_HEADERS: Headers = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", _POLICY),
)


def joined(*layers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers of all layers, each name once; a later layer outranks those before it."""
    found: dict[str, tuple[str, str]] = {}
    for layer in layers:
        for name, value in layer:
            found[name.lower()] = (name, value)
    return list(found.values())
