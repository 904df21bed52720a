"""Which format and encoding a scraper asks for (RFC 9110, sections 12.5.1 and 12.5.3)."""

from __future__ import annotations

from collections.abc import Iterator

_MAX_HEADER = 4096
_OPENMETRICS_VERSIONS = ("", "1.0.0")
_TEXT_VERSIONS = ("", "0.0.4")


def negotiate(accept: str | None, accept_encoding: str | None) -> tuple[bool, bool]:
    """Return whether to answer in OpenMetrics and whether with gzip, as the two request headers prefer.

    OpenMetrics is only for those who name it: browsers and curl, which take anything, read the text format.
    """
    return _wants_openmetrics(accept or ""), _wants_gzip(accept_encoding or "")


def _wants_openmetrics(accept: str) -> bool:
    openmetrics = text = wildcard = 0.0
    text_named = False
    first = ""
    for kind, parameters, quality in _preferences(accept):
        version = parameters.get("version", "")
        if kind == "application/openmetrics-text" and version in _OPENMETRICS_VERSIONS:
            openmetrics = max(openmetrics, quality)
        elif kind == "text/plain" and version in _TEXT_VERSIONS:
            text, text_named = max(text, quality), True
        elif kind in ("*/*", "text/*"):
            wildcard = max(wildcard, quality)
            continue
        else:
            continue
        first = first or kind
    if not text_named:
        text = wildcard
    if openmetrics == text:
        return openmetrics > 0 and (first != "text/plain")
    return openmetrics > text


def _wants_gzip(accept_encoding: str) -> bool:
    quality = {coding: q for coding, _, q in _preferences(accept_encoding)}
    gzip = quality.get("gzip", quality.get("x-gzip", quality.get("*", 0.0)))
    return gzip > 0 and gzip >= quality.get("identity", 0.0)


def _preferences(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield each entry of a header: what, its parameters, its quality from 0 to 1."""
    for entry in header[:_MAX_HEADER].lower().split(","):
        what, *rest = (part.strip() for part in entry.split(";"))
        if not what:
            continue
        parameters = {key.strip(): value.strip().strip('"') for key, _, value in (part.partition("=") for part in rest)}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 1.0
        yield what, parameters, min(quality, 1.0) if quality > 0 else 0.0
