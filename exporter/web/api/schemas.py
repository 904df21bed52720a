"""What the API answers, as JSON Schema: one place, beside the enumerations of the model that its values come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from exporter.errors import SOURCE_REASONS
from exporter.model import Channel, Direction, Outcome, PeerType, PrincipalType, RuleAction
from exporter.posture.ports import PORT_CLASSES
from exporter.posture.standing import Exposure

Schema = dict[str, Any]


def _said(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description} if description else schema


def _text(description: str = "") -> Schema:
    return _said({"type": "string"}, description)


def _maybe(schema: Schema, description: str = "") -> Schema:
    """Return a schema that null satisfies, too: what is not known is null, and never left out."""
    if "$ref" in schema:
        return _said({"anyOf": [schema, {"type": "null"}]}, description)
    if "enum" in schema:
        schema = {**schema, "enum": [*schema["enum"], None]}
    return _said({**schema, "type": [schema["type"], "null"]}, description or schema.get("description", ""))


def _whole(description: str = "", least: int | None = 0) -> Schema:
    return _said({"type": "integer"} if least is None else {"type": "integer", "minimum": least}, description)


def _of(values: Iterable[str], description: str = "") -> Schema:
    return _said({"type": "string", "enum": [str(value) for value in values]}, description)


def _time(description: str = "") -> Schema:
    return _said({"type": "string", "format": "date-time"}, description)


def _truth(description: str) -> Schema:
    return _said({"type": "boolean"}, description)


def _list(schema: Schema, description: str = "") -> Schema:
    return _said({"type": "array", "items": schema}, description)


def _counts(description: str) -> Schema:
    return _said({"type": "object", "additionalProperties": _whole()}, description)


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(description: str, properties: Mapping[str, Schema]) -> Schema:
    """Return an object whose members are all always there."""
    return {"type": "object", "description": description, "required": list(properties), "properties": dict(properties)}


def _enum(kind: type[StrEnum], description: str = "") -> Schema:
    return _of([member.value for member in kind], description)


_PORTS = {
    "from_port": _maybe(_whole(least=None), "First port; of ICMP its type, -1 for any; null where the protocol has none."),
    "to_port": _maybe(_whole(least=None), "Last port; of ICMP its code."),
}
_PLACE = {"account_id": _text(), "region": _text()}
_RULE = {
    "direction": _maybe(_enum(Direction)),
    "rule_id": _maybe(_text("`sgr-…`.")),
    "protocol": _maybe(_text("tcp, udp, icmp, icmpv6, all, or the number.")),
    **_PORTS,
    "peer_type": _maybe(_enum(PeerType)),
    "peer": _maybe(_text("A CIDR, a prefix list or a group.")),
    "description": _maybe(_text()),
}
_OPEN_RULE = {
    "security_group_id": _text(),
    "protocol": _text(),
    **_PORTS,
    "ip_version": {"type": "integer", "enum": [4, 6]},
    "port_class": _of(PORT_CLASSES),
    "peer": _maybe(_text("Who gets in.")),
    "rule_id": _maybe(_text()),
    "vpc_id": _maybe(_text()),
    "security_group_name": _maybe(_text()),
    "exposure": _maybe(_enum(Exposure)),
    "exception": _maybe(_text("The exception of the configuration that covers it.")),
    "account_id": _maybe(_text()),
    "region": _maybe(_text()),
    "since": _maybe(_time("When it was opened; null where that was before anybody looked.")),
    "by": _maybe(_text("The principal that opened it.")),
}

_EVENT = {
    "event_id": _text("A lower-case UUID, or `hash:` and 32 digits where the record has none."),
    "event_time": _time("AWS's clock."),
    "recorded_at": _time("When the exporter stored it."),
    **_PLACE,
    "event_source": _text(),
    "event_name": _text(),
    "outcome": _enum(Outcome),
    "error_code": _maybe(_text()),
    "channel": _enum(Channel, "By which tool the call was made."),
    "principal": _object(
        "Who made the call.",
        {
            "type": _enum(PrincipalType),
            "name": _text("Normalized: `role/Deploy`."),
            "arn": _maybe(_text()),
            "session": _maybe(_text()),
            "source_ip": _maybe(_text("An address, or the name of an AWS service.")),
            "user_agent": _maybe(_text()),
        },
    ),
    "security_groups": _list(_text(), "Ids, or `name:…` where the record tells no id."),
    "resources": _list(_object("", {"type": _text(), "id": _text()}), "All that the call touched."),
    "rule_changes": _list(_ref("RuleChange")),
    "content_known": _truth("false where AWS left out what was changed."),
    "live": _truth("Whether it counts in the metrics; false for what happened before its account and region went live."),
    "sources": _list(_text(), "Which sources brought it."),
}

SCHEMAS: Mapping[str, Schema] = {
    "Event": _object("One change: the same row from the command `history`, this API and every source.", _EVENT),
    "RuleChange": _object(
        "What a call did to one rule.", {"action": _enum(RuleAction), **_RULE, "before": _maybe(_ref("Rule"), "The rule as it was.")}
    ),
    "Rule": _object("One rule; what is not told is null.", _RULE),
    "EventPage": _object(
        "A page of changes.",
        {"events": _list(_ref("Event"), "Newest first."), "next": _maybe(_text(), "The `cursor` of the page behind; null after the last.")},
    ),
    "Record": {"type": "object", "description": "A CloudTrail record, as AWS documents it."},
    "OpenRule": _object("A rule through which the internet gets in, by one IP version, to ports of one class.", _OPEN_RULE),
    "OpenList": _object(
        "What is open.",
        {
            "open": _list(_ref("OpenRule")),
            "total": _whole("How many rows there are, shown or not."),
            "units": _list(_ref("Unit"), "What was read, of the accounts and regions that were asked for."),
        },
    ),
    "Group": _object(
        "A security group as far as it is known.",
        {
            "security_group_id": _text(),
            **_PLACE,
            "security_group_name": _maybe(_text()),
            "description": _maybe(_text("Of the call that made it, where that is stored.")),
            "vpc_id": _maybe(_text()),
            "tags": _list(_object("", {"key": _text(), "value": _text()})),
            "rules": {
                **_maybe({"type": "array", "items": _ref("Rule")}),
                "description": "As last read; null where it never stood in a reading. Those that it had, where it is deleted.",
            },
            "open": _list(_ref("OpenRule")),
            "unknown_prefix_lists": _list(_text(), "Lists that rules name and whose entries are not known: what they open is not told."),
            "interfaces": _maybe(_whole(), "How many network interfaces have it; null where that was not read."),
            "exposure": _object("What the internet could reach through it.", {"ipv4": _enum(Exposure), "ipv6": _enum(Exposure)}),
            "read_at": _maybe(_time("When its rules were read.")),
            "captured_at": _maybe(_time("When AWS Config had looked; null where EC2 was asked.")),
            "deleted": _maybe(_time("When it was deleted, or when a reading first missed it.")),
        },
    ),
    "ConfigItem": _object(
        "An item of AWS Config as a change: its event source is `config.amazonaws.com`, its time when AWS Config looked, its principal "
        "that of the event behind it, or of type `unknown`.",
        {
            **_EVENT,
            "shared_event_id": _maybe(_text("The CloudTrail event that the item is of, stored or not.")),
            "remarks": _list(_text(), "What else it says, for a person: first what it is, then what changed beside rules."),
        },
    ),
    "ConfigItems": _object(
        "What AWS Config has of a group.",
        {
            "security_group_id": _text(),
            **_PLACE,
            "asked_at": _time("When AWS was asked."),
            "items": _list(_ref("ConfigItem"), "Newest first."),
            "more": _truth("Whether there are older ones; `history --from aws-config` shows all."),
            "known": _truth("false where AWS Config records, and has nothing of this group."),
            "daily": _truth("Whether AWS Config looks once a day there: an item may then stand for several changes."),
            "problems": _list(_text(), "What the answer lacks, and why; empty where it is whole."),
        },
    ),
    "Principal": _object(
        "A principal as far as it is known.",
        {
            "name": _text(),
            "type": _maybe(_enum(PrincipalType)),
            "first_seen": _maybe(_time("Of the first event ever stored, pruned or not.")),
            "last_seen": _maybe(_time()),
            "changes": _counts("Successful live changes by account, those of pruned events too."),
            "looked_at": _whole("How many of its newest events make what follows."),
            "complete": _truth("Whether those are all that are stored."),
            "event_names": _counts("By call."),
            "accounts": _counts("By account."),
            "regions": _counts("By region."),
            "channels": _counts("By channel."),
            "outcomes": _counts("By outcome."),
            "sessions": _list(_text(), "The newest sessions, twenty at most."),
        },
    ),
    "Source": _object(
        "How the last poll of an account and region of a source went.",
        {
            "source": _text(),
            "account_id": _text("Empty for a source that spans many."),
            "region": _text(),
            "started_at": _time(),
            "seconds": {"type": "number", "minimum": 0},
            "complete": _truth("false where anything could not be read or stored."),
            "reason": _maybe(_of(SOURCE_REASONS)),
            "brought": _text("For a person."),
        },
    ),
    "SourceList": _object("The sources.", {"sources": _list(_ref("Source"))}),
    "Unit": _object(
        "What stands in an account and region.",
        {
            **_PLACE,
            "groups": _maybe(_whole(), "null while they could never be read whole."),
            "rules": _maybe(_whole()),
            "open_groups": _whole("Groups that let the internet in without an exception."),
            "read_at": {
                "type": "object",
                "additionalProperties": _time(),
                "description": "By part (groups, interfaces, …), when its last complete answer was asked for.",
            },
        },
    ),
    "OpenCount": _object(
        "How many rules of a group are open, of one protocol, class of ports and IP version.",
        {
            **_PLACE,
            "vpc_id": _text(),
            "security_group_id": _text(),
            "protocol": _text(),
            "port_class": _of(PORT_CLASSES),
            "ip_version": {"type": "integer", "enum": [4, 6]},
            "exposure": _enum(Exposure),
            "rules": _whole(),
            "excepted": _truth("Whether an exception covers them."),
        },
    ),
    "Overview": _object(
        "Everything at a glance.",
        {
            "open": _list(_ref("OpenCount"), "The worst first, a thousand at most."),
            "open_total": _whole("How many there are of those."),
            "open_groups": _whole("Groups that let the internet in without an exception."),
            "open_groups_by_exposure": _object("", {member.value: _whole() for member in Exposure}),
            "units": _list(_ref("Unit")),
            "sources": _list(_ref("Source")),
            "store": _object(
                "What is stored.",
                {
                    "events": _whole(),
                    "oldest_event_time": _maybe(_time()),
                    "newest_event_time": _maybe(_time()),
                    "size_bytes": _whole(),
                },
            ),
        },
    ),
    "OpenApi": {"type": "object", "description": "OpenAPI 3.1."},
    "Problem": {
        **_object(
            "What is wrong (RFC 9457).",
            {"type": _text(), "title": _text(), "status": {"type": "integer"}, "detail": _text()},
        )
    },
}
SCHEMAS["Problem"]["properties"]["errors"] = _list(
    _object("", {"parameter": _text(), "allowed": _text()}), "The parameters that are wrong, and what is allowed in their place."
)
