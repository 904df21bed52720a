"""`/group`: one security group: what it is, what it lets in, its rules as they stand, its changes and who makes them.

With `config=1` the items of AWS Config stand in place of the changes; nothing else makes a page ask AWS.
"""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus

from exporter.history.standing import find_group
from exporter.store.base import Query
from exporter.web.pages.asked import Parameters
from exporter.web.pages.base import Context, Page
from exporter.web.pages.config_items import config_link, config_view
from exporter.web.pages.entries import by_day
from exporter.web.pages.history import group_head
from exporter.web.pages.render import address

_SHOWN = 25
_LOOKED_AT = 200
"""Events that are looked at for who changes the group most: the page takes the same time however many there are."""
_MOST_WHO = 5


def group_page(context: Context, parameters: Parameters) -> Page:
    """Return one group's page; without account and region, that of the only group of this id."""
    account_id, region, group_id = (
        (parameters.get(name) or [""])[-1].strip() for name in ("account_id", "region", "security_group_id")
    )  # fmt: skip
    if not group_id:
        return context.sorry("Which group?", "Name it: /group?security_group_id=sg-0123456789abcdef0.", HTTPStatus.BAD_REQUEST)
    if not (account_id and region):
        units = [
            unit
            for unit in find_group(context.store, group_id)
            if account_id in ("", unit.account_id) and region in ("", unit.region)
        ]  # fmt: skip
        if len(units) > 1:
            places = ", ".join(f"{unit.account_id} {unit.region}" for unit in units)
            message = f"Add account_id and region to the address: it is known in {places}."
            return context.sorry("This group is known in several places", message, HTTPStatus.BAD_REQUEST)
        account_id, region = (units[0].account_id, units[0].region) if units else ("", "")
    facts = context.facts.of_group(account_id, region, group_id) if account_id else None
    if facts is None:
        return context.sorry(
            "No such group is known", "It stands in no reading and no stored event names it. A new group is known within minutes."
        )
    query = Query(security_groups=(group_id,), accounts=(account_id,), regions=(region,), limit=_LOOKED_AT)
    found = context.entries.search(query)
    who = Counter(item.event.principal.name for item in found).most_common(_MOST_WHO)
    head = group_head(facts)
    body = context.render(
        "group.html",
        here="",
        facts=head,
        config_link=config_link(context, facts) if head["config"] else "",
        config=config_view(context, facts) if head["config"] and "config" in parameters else None,
        days=by_day(context.entries.entries(found[:_SHOWN])),
        more=len(found) > _SHOWN,
        looked_at=len(found),
        all_looked_at=len(found) < _LOOKED_AT,
        who=[{"name": name, "changes": changes, "link": address("principal", principal=name)} for name, changes in who],
    )
    return HTTPStatus.OK, body
