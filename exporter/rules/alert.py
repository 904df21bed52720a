"""What an alert rule is: one record that the rule files, the runbook, the reference and the settings are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from exporter.rules.record import Record

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")
"""critical pages a person, warning opens a ticket, info is for reading."""

Group = Literal["exposure", "rate", "actors", "audit", "exporter"]
GROUPS: Mapping[Group, str] = MappingProxyType(
    {
        "exposure": "What stands open to the internet, and what was opened",
        "rate": "Changes that come too fast or at an unusual time",
        "actors": "Who should not, or never did before",
        "audit": "Somebody switches the lights off, or works in the dark",
        "exporter": "Whether the exporter sees at all",
    }
)
"""The groups of alerts in their order, and what each is about."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One choice of an alert that a site may want to change; `${name}` stands for it in the alert's texts.

    The type of the default is that of the value: a number, a duration of PromQL (`10m`, where `duration` is true), or a regular
    expression of PromQL, which matches whole values.
    """

    name: str
    default: float | str
    help: str
    duration: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One of the first queries of a runbook: what it answers, and PromQL that a test runs as it stands."""

    asks: str
    expr: str


@dataclass(frozen=True, slots=True)
class Runbook:
    """What the person reads who was woken: Markdown paragraphs, for the account 111122223333 and region us-east-1 as examples.

    The first sentence of `means` says what makes it fire, the rest what that means and what to look at first; `queries` are three, and `then` is what to do after them; `silence` is what
    to do, with the words after `amtool silence add alertname=<name>` in `silence_matchers` and a `caution` that follows them;
    `false_positives` are one sentence each. `${threshold}` stands for its default.
    """

    means: str
    queries: tuple[Query, Query, Query]
    silence_matchers: str
    false_positives: tuple[str, ...]
    silence: str = ""
    then: str = ""
    caution: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert rule.

    `expr`, `hold` (Prometheus' `for`) and `description` may hold `${threshold}`; `summary` is one static sentence; `description` is
    a Go template that names account, region and numbers. `records` are recording rules that `expr` reads; they stand before it in
    its group, so that the file works by itself. `history` adds the link to the exporter's history page for the labels account_id,
    region, security_group_id and principal that the alert has. `needs` are watch sets that are not watched by default and without which it
    cannot fire. `why` explains the expression to who reads the rule file.
    """

    name: str
    group: Group
    severity: Severity
    expr: str
    summary: str
    description: str
    runbook: Runbook
    hold: str = ""
    records: tuple[Record, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    history: bool = False
    needs: tuple[str, ...] = ()
    why: str = ""
