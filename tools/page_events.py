"""docs/events.md, from the catalog: which calls belong to which watch set."""

from __future__ import annotations

from exporter.catalog import CORE_EVENTS, DEFAULT_WATCH_SETS, WATCH_SETS, EventSpec
from tools.markdown import code, notice, page, table

INTRODUCTION = """
A watch set is a named list of calls; `watch.sets` in the configuration chooses among them, `watch.events` adds patterns of
your own. A call is always matched together with its event source, because services share names (`CreateSecurityGroup` is
not EC2's alone).
"""


def events_page() -> str:
    """Return the page with every watch set and its calls."""
    blocks = [notice("exporter/catalog"), "# What is watched", INTRODUCTION]
    core = set(CORE_EVENTS)
    for name, specs in WATCH_SETS.items():
        chosen = "Watched by default." if name in DEFAULT_WATCH_SETS else f"Watched where `watch.sets` names `{name}`."
        if {(spec.event_source, spec.event_name) for spec in specs} == core:
            chosen += " For these calls `awschange_events_total` exists at 0 from the start."
        rows = sorted((code(spec.event_source), code(spec.event_name), named(spec)) for spec in specs)
        blocks += [f"## {name}", chosen, table(("Event source", "Event name", "Resources that history names"), rows)]
    return page(*blocks)


def named(spec: EventSpec) -> str:
    """Return the resource types that a call's row names, without repeats; security groups themselves are found in every record."""
    return ", ".join(dict.fromkeys(code(path.type) for path in spec.resources))
