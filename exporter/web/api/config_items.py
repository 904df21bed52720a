"""AWS Config's items of a group, asked of AWS when somebody asks here."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from exporter.history import format_time, row
from exporter.history.config_ask import AT_ONCE, KEPT, PATIENCE
from exporter.history.config_newest import MOST, Refused, Why
from exporter.history.standing import group_facts
from exporter.web.api.answers import Answer, to_json
from exporter.web.api.endpoint import Asked, Endpoint, Rooms
from exporter.web.api.problems import Problem, tell
from exporter.web.api.standing import GROUP_PATH, NO_GROUP
from exporter.web.http import Response

_STATUS: Mapping[Why, HTTPStatus] = {
    Why.NO_AWS: HTTPStatus.NOT_FOUND,
    Why.NOT_WATCHED: HTTPStatus.NOT_FOUND,
    Why.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    Why.TOOK_TOO_LONG: HTTPStatus.GATEWAY_TIMEOUT,
    Why.FAILED: HTTPStatus.BAD_GATEWAY,
}
_AGAIN = "5"
"""Seconds after which to come again."""


def _config_items(rooms: Rooms, asked: Asked) -> Answer | Response:
    account_id, region, group_id = asked["account_id"], asked["region"], asked["security_group_id"]
    # What is not known here is not asked: who may read the store may not have AWS asked whatever comes to mind.
    if group_facts(rooms.store, rooms.judge(), account_id, region, group_id, rooms.now()) is None:
        raise Problem(HTTPStatus.NOT_FOUND, NO_GROUP)
    if rooms.config_ask is None:
        raise Problem(HTTPStatus.NOT_FOUND, "This exporter asks nothing of AWS.")
    try:
        found = rooms.config_ask.items(account_id, region, group_id)
    except Refused as refused:
        again = (("Retry-After", _AGAIN),) if refused.why in (Why.BUSY, Why.TOOK_TOO_LONG) else ()
        return tell(Problem(_STATUS[refused.why], str(refused)), again)
    return Answer(
        to_json({
            "security_group_id": group_id,
            "account_id": account_id,
            "region": region,
            "asked_at": format_time(found.asked_at),
            "items": [row(item) for item in found.items],
            "more": found.more,
            "known": found.known,
            "daily": found.daily,
            "problems": list(found.problems),
        })
    )  # fmt: skip


CONFIG_ITEMS = Endpoint(
    "/api/v1/groups/{account_id}/{region}/{security_group_id}/config-items",
    "listConfigItems",
    "What AWS Config recorded of a group",
    f"The only endpoint that asks AWS (config:GetResourceConfigHistory): the newest {MOST} items, each with how its rules differ from the "
    f"item before and the stored event that made it. An answer is kept for {KEPT:g} seconds, {AT_ONCE} groups are asked about at once, and "
    f"after {PATIENCE:g} seconds nobody waits on.",
    "ConfigItems",
    _config_items,
    GROUP_PATH,
    f"{NO_GROUP} Or this exporter asks nothing of AWS, or nothing of that account.",
    {
        "502": "AWS refused or failed: `detail` says why and what to do.",
        "503": "As elsewhere; or AWS Config is being asked about other groups, with `Retry-After`.",
        "504": "AWS did not answer in time; `Retry-After` says when to ask again.",
    },
    examples=("/api/v1/groups/111122223333/us-east-1/sg-0123456789abcdef0/config-items",),
)
