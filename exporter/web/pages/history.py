"""`/history`: search and timeline. Alerts lead here, so who, how, from where and which rules must be seen without scrolling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from exporter.catalog import WATCH_SETS
from exporter.history.cursor import encode
from exporter.history.standing import GroupFacts, find_group
from exporter.model import Outcome
from exporter.store.base import Position
from exporter.web.pages.asked import LABELS, PAGE, Asked, Parameters, read_asked
from exporter.web.pages.base import Context, Page
from exporter.web.pages.entries import by_day
from exporter.web.pages.facts import open_lines, rule_tables
from exporter.web.pages.render import address

_ID = re.compile(r"sg-[0-9a-f]{8,17}")
EVENT_NAMES = tuple(sorted({spec.event_name for spec in WATCH_SETS["security_groups"]}))
"""What the field of the event's name proposes."""


def history_page(context: Context, parameters: Parameters) -> Page:
    """Return the changes that the query string asks for, newest first."""
    asked = read_asked(parameters, context.now())
    if asked.errors:
        return HTTPStatus.BAD_REQUEST, _render(context, asked, {"days": (), "older": "", "facts": None})
    found = context.entries.search(asked.query())
    shown = found[:PAGE]
    older = ""
    if len(found) > PAGE:
        last = shown[-1].event
        older = asked.older(encode(Position(last.event_time, last.event_id)))
    facts = _group(context, asked) if asked.one_group else None
    return HTTPStatus.OK, _render(context, asked, {"days": by_day(context.entries.entries(shown)), "older": older, "facts": facts})


def _render(context: Context, asked: Asked, values: Mapping[str, Any]) -> bytes:
    return context.render(
        "history.html", here="history", asked=asked, labels=LABELS, outcomes=tuple(Outcome), event_names=EVENT_NAMES, **values
    )


def _group(context: Context, asked: Asked) -> Mapping[str, Any] | None:
    """Return the head of the one group that is asked for; None where nobody can say which account's it is."""
    accounts, regions = asked.values["account_id"], asked.values["region"]
    if len(accounts) == 1 and len(regions) == 1:
        facts = context.facts.of_group(accounts[0], regions[0], asked.one_group)
    elif asked.one_group.startswith("name:"):
        return None
    else:
        units = [
            unit
            for unit in find_group(context.store, asked.one_group)
            if (not accounts or unit.account_id in accounts) and (not regions or unit.region in regions)
        ]
        facts = context.facts.of_group(units[0].account_id, units[0].region, asked.one_group) if len(units) == 1 else None
    return None if facts is None else group_head(facts)


def group_head(facts: GroupFacts) -> dict[str, Any]:
    """Return what is shown of a group beside its changes."""
    where = {"account_id": facts.account_id, "region": facts.region, "security_group_id": facts.group_id}
    return {
        "group": facts,
        "open": open_lines(facts),
        "tables": rule_tables(facts),
        # To be pasted into a shell, so nothing but an id of EC2's form.
        "config": f"aws-change-exporter history {facts.group_id} --from aws-config" if _ID.fullmatch(facts.group_id) else "",
        "link": address("group", **where),
        "history": address("history", **where),
    }
