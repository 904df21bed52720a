"""What a survey says in the log."""

from __future__ import annotations

from exporter.history import describe_change
from exporter.logs import Logger
from exporter.model import Unit
from exporter.report import SurveyReport
from exporter.surveyor.joining import Outcomes

MOST_RULES = 20
"""Rules in one line, at most."""


def named(unit: Unit) -> dict[str, str]:
    """Return the fields by which lines name a unit."""
    return {"account_id": unit.account_id, "region": unit.region}


def tell_outcomes(unit: Unit, outcomes: Outcomes, log: Logger) -> None:
    """Write a line for each change that no event explains, and for each event of which more is known now."""
    for unexplained in outcomes.unexplained:
        rules = [describe_change(change) for change in unexplained.changes[:MOST_RULES]]
        log.warning(
            "rules changed and no event says who did it", **named(unit), id=unexplained.id, rules=rules, changes=len(unexplained.changes),
            after=unexplained.after.isoformat(), until=unexplained.until.isoformat(),
        )  # fmt: skip
    for amendment in outcomes.amendments:
        rules = [describe_change(change) for change in amendment.rule_changes[:MOST_RULES]]
        log.info(
            "more is known of a change", **named(unit), event_id=amendment.event_id, rules=rules, opened=list(amendment.opened_port_classes)
        )
    for entry, event_id in outcomes.explained:
        log.info("a late event explains what was counted as unexplained", **named(unit), entry=entry, event_id=event_id)


def tell_report(report: SurveyReport, log: Logger) -> None:
    """Write the closing line of a survey."""
    fields = {
        "groups": report.groups, "rules": report.rules, "open": report.open, "excepted": report.excepted, "changed": report.changed,
        "pending": report.pending, "unexplained": report.unexplained, "seconds": round(report.seconds, 3),
    }  # fmt: skip
    if report.stopped:
        log.info("survey stopped before it was complete", **fields)
    elif not report.complete:
        log.error("survey incomplete", **fields, reason=report.reason, error=report.error)
    elif report.changed or report.unexplained:
        log.info("survey", **fields)
    else:
        log.debug("survey", **fields)
