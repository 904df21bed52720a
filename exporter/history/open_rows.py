"""What stands open becomes a row, the same whether it was read from the store or from a saved answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exporter.history.rows import csv_cell, csv_line, format_time, json_lines
from exporter.posture.judge import OpenRule

OPEN_COLUMNS = (
    "security_group_id", "protocol", "from_port", "to_port", "ip_version", "port_class", "peer", "rule_id", "vpc_id",
    "security_group_name", "exposure", "exception", "account_id", "region", "since", "by",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OpenRow:
    """One rule through which the internet gets in, by one IP version, to ports of one class; what is not known is None.

    Ports are those of posture.judge.OpenRule. `since` is when it was opened, or the time of the first picture that showed it; `by`
    is the principal of the event that opened it. `exception` names the exception that covers it.
    """

    security_group_id: str
    protocol: str
    from_port: int | None
    to_port: int | None
    ip_version: int
    port_class: str
    peer: str | None = None
    rule_id: str | None = None
    vpc_id: str | None = None
    security_group_name: str | None = None
    exposure: str | None = None
    exception: str | None = None
    account_id: str | None = None
    region: str | None = None
    since: datetime | None = None
    by: str | None = None


def open_row(found: OpenRule, account_id: str, region: str, since: datetime | None = None, by: str | None = None) -> OpenRow:
    """Return the row of what a judge found in an account and region, either of which may be empty."""
    return OpenRow(
        found.group.group_id,
        found.protocol,
        found.from_port,
        found.to_port,
        found.ip_version,
        found.port_class,
        found.rule.peer,
        found.rule.rule_id,
        found.group.vpc_id or None,
        found.group.name or None,
        found.exposure.value,
        found.exception or None,
        account_id or None,
        region or None,
        since,
        by or None,
    )


def open_object(row: OpenRow) -> dict[str, Any]:
    """Return one row as a JSON object."""
    return {name: format_time(value) if isinstance(value := getattr(row, name), datetime) else value for name in OPEN_COLUMNS}


def open_to_json(rows: Iterable[OpenRow]) -> Iterator[str]:
    """Yield the lines of a JSON array, one row a line."""
    return json_lines(map(open_object, rows))


def open_to_csv(rows: Iterable[OpenRow]) -> Iterator[str]:
    """Yield the lines of an RFC 4180 table with a header; no cell can start a spreadsheet formula."""
    yield csv_line(OPEN_COLUMNS)
    for row in rows:
        data = open_object(row)
        yield csv_line(csv_cell(data[name]) for name in OPEN_COLUMNS)
