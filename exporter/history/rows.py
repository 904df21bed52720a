"""A stored event becomes a row, the same for the command, the web page and the API."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from exporter.history.config_rows import is_item
from exporter.model import ChangeEvent, Direction, Rule, RuleAction, RuleChange
from exporter.parse.asked import asked_changes
from exporter.posture.entries import is_entry
from exporter.store.base import HistoryEvent
from exporter.text import visible

CSV_COLUMNS = (
    "event_time", "account_id", "region", "event_source", "event_name", "outcome", "error_code", "channel",
    "principal_type", "principal", "session", "arn", "source_ip", "user_agent",
    "security_groups", "resources", "rule_changes", "content_known", "live", "sources", "recorded_at", "event_id", "remarks",
)  # fmt: skip


def row(found: HistoryEvent) -> dict[str, Any]:
    """Return one event as the JSON object that design and API promise.

    An item of AWS Config, which no store has, also has the CloudTrail event that it is of, if known, and remarks.
    """
    event = found.event
    more = {"shared_event_id": event.shared_event_id, "remarks": list(event.remarks)} if is_item(event) else {}
    return {
        "event_id": event.event_id,
        "event_time": format_time(event.event_time),
        "recorded_at": format_time(found.recorded_at),
        "account_id": event.account_id,
        "region": event.region,
        "event_source": event.event_source,
        "event_name": event.event_name,
        "outcome": event.outcome.value,
        "error_code": event.error_code,
        "channel": event.channel.value,
        "principal": {
            "type": event.principal.type.value,
            "name": event.principal.name,
            "arn": event.principal.arn,
            "session": event.principal.session,
            "source_ip": event.principal.source_ip,
            "user_agent": event.principal.user_agent,
        },
        "security_groups": list(event.security_groups),
        "resources": [{"type": resource.type, "id": resource.id} for resource in event.resources],
        "rule_changes": [_rule_change(change) for change in event.rule_changes],
        "content_known": event.content_known,
        "live": found.live,
        "sources": list(found.sources),
        **more,
    }


def _rule_change(change: RuleChange) -> dict[str, Any]:
    return {"action": change.action.value, **rule_object(change.rule), "before": rule_object(change.before) if change.before else None}


def rule_object(rule: Rule) -> dict[str, Any]:
    """Return one rule as a JSON object; what is not told is null."""
    return {
        "direction": rule.direction.value if rule.direction else None,
        "rule_id": rule.rule_id,
        "protocol": rule.protocol,
        "from_port": rule.from_port,
        "to_port": rule.to_port,
        "peer_type": rule.peer_type.value if rule.peer_type else None,
        "peer": rule.peer,
        "description": rule.description,
    }


def format_time(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC, with fractions only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


_SIGNS = {RuleAction.ADDED: "+", RuleAction.REMOVED: "-", RuleAction.MODIFIED: "~", RuleAction.DESCRIBED: '"'}


def describe_change(change: RuleChange) -> str:
    """Return one rule change as a person would say it: `+ ingress tcp 22 from 0.0.0.0/0 (sgr-…)`."""
    text = f"{_SIGNS[change.action]} {describe_rule(change.rule)}"
    if change.before is None:
        return text
    # An id is never changed, so one that was told once says nothing the second time.
    before = replace(change.before, rule_id=None) if change.before.rule_id == change.rule.rule_id else change.before
    return f"{text}, was {describe_rule(before)}"


def describe_rule(rule: Rule) -> str:
    """Return one rule as a person would say it, leaving out what the record does not tell."""
    return " ".join(rule_words(rule).values()) or "a rule that the record does not tell"


def rule_words(rule: Rule) -> dict[str, str]:
    """Return what is said of a rule by what it is of: direction, protocol, ports, peer, id, description, in this order."""
    words: dict[str, str] = {}
    if rule.direction:
        words["direction"] = rule.direction.value
    if rule.protocol:
        words["protocol"] = "all traffic" if rule.protocol == "all" else rule.protocol
    if (rule.from_port is not None or rule.to_port is not None) and rule.protocol in ("tcp", "udp", "icmp", "icmpv6", None):
        words["ports"] = _ports(rule)
    if rule.peer:
        preposition = {Direction.INGRESS: "from", Direction.EGRESS: "to"}.get(rule.direction, "peer") if rule.direction else "peer"
        words["peer"] = f"{preposition} {rule.peer}"
    if rule.rule_id:
        words["id"] = f"({rule.rule_id})"
    if rule.description:
        words["description"] = f"“{rule.description}”"
    return words


def _ports(rule: Rule) -> str:
    if rule.protocol in ("icmp", "icmpv6"):
        kind = "any type" if rule.from_port in (None, -1) else f"type {rule.from_port}"
        return kind if rule.to_port in (None, -1) else f"{kind} code {rule.to_port}"
    if rule.from_port == rule.to_port or rule.to_port is None:
        return str(rule.from_port)
    return f"{'?' if rule.from_port is None else rule.from_port}-{rule.to_port}"


def describe_event(event: ChangeEvent, limit: int = 20) -> list[str]:
    """Return what an event changed, or had asked for in vain, a line each, at most `limit` lines."""
    changes, attempt = (event.rule_changes, "") if event.rule_changes else (asked_changes(event), "not done: ")
    lines = [attempt + describe_change(change) for change in changes[:limit]]
    if len(changes) > limit:
        lines.append(f"… and {len(changes) - limit} more rules")
    if event.opened_port_classes:
        # First, because it is what the page at night is about, and a thousand rules may follow.
        lines.insert(0, f"! opened to the internet: {', '.join(event.opened_port_classes)}")
    if is_entry(event):
        later = event.shared_event_id
        lines.insert(0, f"changed between two readings (explained later by {later})" if later else "! no event explains this change")
    lines[:0] = event.remarks
    if not event.content_known:
        lines.append("AWS left out what was changed (request over 100 KB)")
    return lines


def to_json(found: Iterable[HistoryEvent]) -> Iterator[str]:
    """Yield the lines of a JSON array, one row a line."""
    return json_lines(map(row, found))


def to_ndjson(found: Iterable[HistoryEvent]) -> Iterator[str]:
    """Yield one row a line, each a JSON object in ASCII."""
    for item in found:
        yield json.dumps(row(item), ensure_ascii=True) + "\n"


def json_lines(objects: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a JSON array in ASCII, one object a line."""
    first = True
    for item in objects:
        yield ("[\n" if first else ",\n") + json.dumps(item, ensure_ascii=True)
        first = False
    yield "[]\n" if first else "\n]\n"


def to_csv(found: Iterable[HistoryEvent]) -> Iterator[str]:
    """Yield the lines of an RFC 4180 table with a header; no cell can start a spreadsheet formula."""
    yield csv_line(CSV_COLUMNS)
    for item in found:
        data = row(item)
        principal = data.pop("principal")
        data |= {"principal_type": principal["type"], "principal": principal["name"]}
        data |= {key: principal[key] for key in ("session", "arn", "source_ip", "user_agent")}
        data["security_groups"] = " ".join(data["security_groups"])
        data["resources"] = " ".join(f"{resource['type']}/{resource['id']}" for resource in data["resources"])
        data["rule_changes"] = "; ".join(f"{change.action.value} {describe_change(change)[2:]}" for change in item.event.rule_changes)
        data["sources"] = " ".join(data["sources"])
        data["remarks"] = "; ".join(item.event.remarks)
        yield csv_line(csv_cell(data[column]) for column in CSV_COLUMNS)


def csv_line(cells: Iterable[str]) -> str:
    """Return one line of an RFC 4180 table."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(list(cells))
    return buffer.getvalue()


def csv_cell(value: object) -> str:
    """Return a value as text that shows what is unsafe and that no spreadsheet runs."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = visible(str(value), 32_000)
    # A spreadsheet runs a cell that starts so as a formula, and user agents are the attacker's to choose (OWASP, CSV injection).
    return "'" + text if text[:1] in ("=", "+", "-", "@") else text
