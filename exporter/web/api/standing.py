"""What stands: a group, what is open, who somebody is, and how fresh all of it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Any

from exporter.history import format_time
from exporter.history.open_rows import OpenRow, open_object, open_row
from exporter.history.overview import WORST_FIRST, UnitFacts, source_facts
from exporter.history.rows import rule_object
from exporter.history.standing import GroupFacts, group_facts
from exporter.posture.ports import PORT_CLASSES
from exporter.posture.standing import Exposure
from exporter.web.api.answers import Answer, to_json
from exporter.web.api.endpoint import Asked, Endpoint, Rooms
from exporter.web.api.parameters import Parameter, number, one_of, plain, truth
from exporter.web.api.problems import Problem

MAX_OPEN, DEFAULT_OPEN = 10_000, 1000


def _plain(value: Any) -> Any:
    """Return a value of facts as JSON has it."""
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value


def _group(rooms: Rooms, asked: Asked) -> Answer:
    facts = group_facts(rooms.store, rooms.judge(), asked["account_id"], asked["region"], asked["security_group_id"], rooms.now())
    if facts is None:
        raise Problem(HTTPStatus.NOT_FOUND, NO_GROUP)
    return Answer(to_json(group_object(facts)))


def group_object(facts: GroupFacts) -> dict[str, Any]:
    """Return what is known of a group as a JSON object."""
    unit = facts.account_id, facts.region
    opened = [
        open_row(rule, *unit, opener.since, opener.event.principal.name if opener.event else None)
        for rule, opener in zip(facts.open, facts.openers, strict=True)
    ]
    return {
        "security_group_id": facts.group_id,
        "account_id": facts.account_id,
        "region": facts.region,
        "security_group_name": facts.name,
        "description": facts.description,
        "vpc_id": facts.vpc_id,
        "tags": [{"key": key, "value": value} for key, value in facts.tags],
        "rules": None if facts.rules is None else [rule_object(rule) for rule in facts.rules],
        "open": [open_object(row) for row in opened],
        "unknown_prefix_lists": list(facts.unknown_lists),
        "interfaces": facts.interfaces,
        "exposure": {"ipv4": facts.exposure_ipv4.value, "ipv6": facts.exposure_ipv6.value},
        "read_at": _plain(facts.read_at),
        "captured_at": _plain(facts.captured_at),
        "deleted": _plain(facts.deleted),
    }


def _open(rooms: Rooms, asked: Asked) -> Answer:
    # Before the rows: what is read meanwhile must not make them look fresher than they are.
    units = [unit_object(unit) for unit in rooms.overviews.units() if _asked_for(asked, unit)]
    found = [
        row
        for row in rooms.opened.rows(asked["account_id"], asked["region"])
        if (not asked["exposure"] or row.exposure in asked["exposure"])
        and (not asked["port_class"] or row.port_class in asked["port_class"])
        and (not asked["security_group_id"] or row.security_group_id in asked["security_group_id"])
        and (asked["excepted"] is None or asked["excepted"] is (row.exception is not None))
    ]
    found.sort(key=_gravity)
    return Answer(to_json({"open": [open_object(row) for row in found[: asked["limit"]]], "total": len(found), "units": units}))


def _asked_for(asked: Asked, unit: UnitFacts) -> bool:
    accounts: Sequence[str] = asked["account_id"]
    return (not accounts or unit.account_id in accounts) and (not asked["region"] or unit.region in asked["region"])


def _gravity(row: OpenRow) -> tuple[bool, int]:
    return row.exception is not None, WORST_FIRST.get(row.exposure or "", len(WORST_FIRST))


def unit_object(unit: UnitFacts) -> dict[str, Any]:
    """Return what stands in an account and region as a JSON object."""
    return _facts(unit)


def _facts(value: Any) -> dict[str, Any]:
    return {name: _plain(each) for name, each in asdict(value).items()}


def _principal(rooms: Rooms, asked: Asked) -> Answer:
    facts = rooms.principals.facts(asked["principal"])
    if facts is None:
        raise Problem(HTTPStatus.NOT_FOUND, _NO_PRINCIPAL)
    return Answer(to_json(_facts(facts)))


def _sources(rooms: Rooms, _asked: Asked) -> Answer:
    return Answer(to_json({"sources": [_facts(source) for source in source_facts(rooms.reports())]}))


def _overview(rooms: Rooms, _asked: Asked) -> Answer:
    facts = rooms.overviews.facts(rooms.reports())
    stats = facts.stats
    return Answer(
        to_json({
            "open": [_facts(count) for count in facts.open],
            "open_total": facts.open_total,
            "open_groups": facts.open_groups,
            "open_groups_by_exposure": dict(facts.open_groups_by_exposure),
            "units": [unit_object(unit) for unit in facts.units],
            "sources": [_facts(source) for source in facts.sources],
            "store": {
                "events": stats.events,
                "oldest_event_time": _plain(stats.oldest_event_time),
                "newest_event_time": _plain(stats.newest_event_time),
                "size_bytes": stats.size_bytes,
            },
        })
    )  # fmt: skip


NO_GROUP = "Nothing is known of this group there: it stands in no reading, and no event touched it."
_NO_PRINCIPAL = "No event of this principal was ever stored. The name is the normalized one, such as role/Deploy."


def _segment(name: str, description: str, example: str) -> Parameter:
    return Parameter(name, description, {"type": "string"}, "one segment of the path", in_path=True, example=example)


GROUP_PATH = (
    _segment("account_id", "The account of the group.", "111122223333"),
    _segment("region", "Its region.", "us-east-1"),
    _segment("security_group_id", "Its id.", "sg-0123456789abcdef0"),
)

STANDING = (
    Endpoint(
        "/api/v1/groups/{account_id}/{region}/{security_group_id}",
        "getGroup",
        "A security group as it stands",
        "Its rules as last read, which of them let the internet in, since when and by whom. Its changes: `/api/v1/events`.",
        "Group",
        _group,
        GROUP_PATH,
        NO_GROUP,
        examples=("/api/v1/groups/111122223333/us-east-1/sg-0123456789abcdef0",),
    ),
    Endpoint(
        "/api/v1/open",
        "listOpen",
        "What is open to the internet now",
        "One row for each rule, IP version and class of its ports, the worst exposure first, as the last reading of each account and "
        "region was judged. `units` tells how old that is, and where nothing could ever be read.",
        "OpenList",
        _open,
        (
            plain("account_id", "In this account.", 64, repeated=True, example="111122223333"),
            plain("region", "In this region.", 64, repeated=True, example="us-east-1"),
            plain("security_group_id", "Of this group.", 256, repeated=True),
            one_of("exposure", "What the rule reaches.", [exposure.value for exposure in Exposure], repeated=True),
            one_of("port_class", "The class of its ports.", list(PORT_CLASSES), repeated=True),
            truth("excepted", "Only rules that an exception of the configuration covers (true), or only those that none does (false)."),
            number("limit", "At most so many rows; `total` says how many there are.", 1, MAX_OPEN, DEFAULT_OPEN),
        ),
        examples=("/api/v1/open?exposure=public&excepted=false",),
    ),
    Endpoint(
        "/api/v1/principals",
        "getPrincipal",
        "Who somebody is",
        "When a principal was first seen, and what its newest events were.",
        "Principal",
        _principal,
        (plain("principal", "The normalized name.", 2048, required=True, example="role/Deploy"),),
        _NO_PRINCIPAL,
        examples=("/api/v1/principals?principal=role/Deploy",),
    ),
    Endpoint(
        "/api/v1/sources",
        "listSources",
        "How the sources are",
        "The last poll of each account and region of each source, `posture` (what stands) among them; none before the first has ended.",
        "SourceList",
        _sources,
        searches=False,
        examples=("/api/v1/sources",),
    ),
    Endpoint(
        "/api/v1/overview",
        "getOverview",
        "Everything at a glance",
        "What stands open, counted by the gauges of the last readings; how fresh that is; how the sources and the store are.",
        "Overview",
        _overview,
        examples=("/api/v1/overview",),
    ),
)
