"""Every dashboard: each module here holds one, as `DASHBOARD`; a new file is a new dashboard."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from dashboards.record import Dashboard


def _load() -> tuple[Dashboard, ...]:
    boards: list[Dashboard] = [import_module(f"{__name__}.{module.name}").DASHBOARD for module in iter_modules(__path__)]
    # The overview first, as that is where everybody begins.
    return tuple(sorted(boards, key=lambda board: (board.name != "overview", board.name)))


DASHBOARDS = _load()
"""All dashboards, in the order of the links between them."""
