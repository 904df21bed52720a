"""The recording rules of the dashboards (alerts bring their own): what would be slow to work out anew at each look."""

from __future__ import annotations

from exporter.rules.record import Record

_UNIT = "job, account_id, region"
_BEFORE = "[1h] offset 1ms"
"""All evaluations of the hour before this one: so long is the outage that a count outlives."""


def _grown(level: str, by: str) -> Record:
    """Return by how much a recorded counter grew since it was recorded last.

    Against its own last sample, not against a minute ago: what an evaluation missed is in the next one's. Two falls are told apart. Where a
    replica that stood higher was not scraped and is back, its old height is no growth; after a lost store all that comes is.
    """
    above = f"{level} - (max_over_time({level}{_BEFORE}) <= {level})"
    since = f"{level} - last_over_time({level}{_BEFORE})"
    return Record(f"{level.rpartition(':')[0]}:grown", f"sum by ({by}) (({above} or {since}) > 0)")


_OUTCOME = Record(
    "account_region_outcome:awschange_events:sum",
    f"sum by ({_UNIT}, outcome) (max by ({_UNIT}, event_source, event_name, outcome) (awschange_events_total))",
)
_EVENT = Record(
    "account_region_event:awschange_changes:sum",
    f'sum by ({_UNIT}, event_name) (max by ({_UNIT}, event_source, event_name) (awschange_events_total{{outcome="success"}}))',
)
_OPENED = Record(
    "account_region_port:awschange_ingress_opened:max",
    f"max by ({_UNIT}, port_class) (awschange_ingress_opened_total)",
)
_OPEN = f"max by ({_UNIT}, vpc_id, security_group_id, protocol, port_class, ip_version, exposure) (awschange_open_ingress_rules)"

RECORDING: tuple[Record, ...] = (
    _OUTCOME,
    _EVENT,
    _OPENED,
    _grown(_OUTCOME.name, f"{_UNIT}, outcome"),
    _grown(_EVENT.name, f"{_UNIT}, event_name"),
    _grown(_OPENED.name, f"{_UNIT}, port_class"),
    Record("account_region:awschange_open_ingress_rules:sum", f"sum by ({_UNIT}) ({_OPEN})"),
    Record("account_region_exposure:awschange_open_ingress_rules:sum", f"sum by ({_UNIT}, exposure) ({_OPEN})"),
    Record("account_region_port:awschange_open_ingress_rules:sum", f"sum by ({_UNIT}, port_class) ({_OPEN})"),
)
"""In the order in which they are worked out; a later one may read an earlier one.

Counters stay counters: what is recorded is how high they stand, and a dashboard asks how far that rose. What is `grown` is there only when
something happened, so that bars over all accounts read a few series instead of every one at every step. `job` stays, because it is a choice
at the head of the dashboards; pods do not, so that a new one changes nothing.
"""
