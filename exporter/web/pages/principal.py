"""`/principal`: one principal: since when it is known, what it calls, where and how, and what it did last."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from exporter.model import Channel
from exporter.store.base import Query
from exporter.web.pages.agents import CHANNELS
from exporter.web.pages.asked import Parameters
from exporter.web.pages.base import Context, Page
from exporter.web.pages.entries import by_day
from exporter.web.pages.render import address

_SHOWN = 25
_MOST_COUNTS = 8
_TYPES = {
    "root": "root user", "iam_user": "IAM user", "role": "IAM role", "sso": "permission set", "service_linked_role": "service-linked role",
    "aws_service": "AWS service", "federated": "federated user", "identity_center": "Identity Center user",
    "cross_account": "principal of another account", "saml": "SAML user", "web_identity": "web identity", "directory": "directory user",
    "unknown": "unknown",
}  # fmt: skip


def principal_page(context: Context, parameters: Parameters) -> Page:
    """Return one principal's page."""
    name = (parameters.get("principal") or [""])[-1].strip()
    if not name:
        return context.sorry("Which principal?", "Name it: /principal?principal=role/Deploy.", HTTPStatus.BAD_REQUEST)
    facts = context.principals.facts(name)
    if facts is None:
        return context.sorry(
            "No such principal is known", "No stored event names it. A session or an ARN is found by the history's search."
        )
    found = [item for item in context.entries.search(Query(principals=(name,), limit=_SHOWN + 1)) if item.event.principal.name == name]
    body = context.render(
        "principal.html",
        here="",
        facts=facts,
        type=_TYPES.get(facts.type or "", facts.type or "unknown"),
        changes=sum(facts.changes.values()),
        counts=[
            ("Calls", _counts(facts.event_names, "event_name", name)),
            ("Channels", _counts({CHANNELS[Channel(key)]: number for key, number in facts.channels.items()})),
            ("Accounts", _counts(facts.accounts, "account_id", name)),
            ("Regions", _counts(facts.regions, "region", name)),
            ("Outcomes", _counts(facts.outcomes, "outcome", name)),
        ],
        days=by_day(context.entries.entries(found[:_SHOWN])),
        more=len(found) > _SHOWN,
        history=address("history", principal=name),
    )
    return HTTPStatus.OK, body


def _counts(counts: Mapping[str, int], parameter: str = "", principal: str = "") -> list[dict[str, object]]:
    """Return what was counted, most first, each with the link to the changes behind it and its share in percent."""
    most = max(counts.values(), default=1)
    return [
        {
            "name": name,
            "number": number,
            "share": max(1, round(100 * number / most)),
            "link": address("history", principal=principal, **{parameter: name}) if parameter else "",
        }
        for name, number in list(counts.items())[:_MOST_COUNTS]
    ]
