"""Templates and what they may call. Every value passes Jinja2's autoescape, and control characters are made visible first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from exporter import __version__
from exporter.history import format_time
from exporter.text import visible
from exporter.web.pages.static import Static

_MOST_TEXT = 512
_LONGEST_LINK = 4000
_AGES = (
    (60, 1, "s"),
    (3600, 60, "min"),
    (48 * 3600, 3600, "h"),
    (60 * 86400, 86400, "days"),
    (730 * 86400, 30 * 86400, "months"),
)


def address(path: str, **parameters: object) -> str:
    """Return a link to a page of ours, relative, so that it holds under any prefix; empty where it would be too long to be read.

    Nothing that a caller of AWS chose ever stands before the question mark, so no link leads anywhere else.
    """
    given = {name: value for name, value in parameters.items() if value not in ("", None, (), [])}
    if not given:
        return path
    link = f"{path}?{urlencode(given, doseq=True, errors='replace')}"
    return link if len(link) <= _LONGEST_LINK else ""


def age(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, in one unit; clocks differ, so what lies a little ahead is just now."""
    seconds = int((now - moment).total_seconds())
    if seconds < 0:
        return "just now" if seconds > -120 else f"in {_amount(-seconds)}"
    return f"{_amount(seconds)} ago"


def _amount(seconds: int) -> str:
    for below, unit, name in _AGES:
        if seconds < below:
            return f"{seconds // unit} {name}"
    return f"{seconds // (365 * 86400)} years"


def _visible(value: object, limit: int = _MOST_TEXT) -> str:
    return visible(str(value), limit)


def _day(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc:%A} {utc.day} {utc:%B %Y}"


class Renderer:
    """Renders the templates; they are read and compiled once."""

    def __init__(self, static: Static, now: Callable[[], datetime]) -> None:
        self._now = now
        self._environment = Environment(
            loader=PackageLoader("exporter.web", "templates"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {
            "visible": _visible,
            "iso": format_time,
            "stamp": lambda moment: f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            "clock": lambda moment: f"{moment.astimezone(UTC):%H:%M:%S}",
            "day": _day,
        }
        self._environment.globals |= {"address": address, "version": __version__, "static": static.addresses}

    def render(self, template: str, **values: object) -> bytes:
        """Return a page. What even UTF-8 cannot write (half a surrogate pair) becomes a question mark."""
        now = self._now()
        text = self._environment.get_template(template).render(**values, now=now, age=lambda moment: age(moment, now))
        return text.encode("utf-8", "replace")
