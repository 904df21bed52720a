"""What a call that changed nothing had asked for: an attempt to open the world is worth seeing, though it was denied."""

from __future__ import annotations

from types import MappingProxyType

import orjson

from exporter.catalog import WATCH_SETS, EventSpec
from exporter.model import ChangeEvent, Outcome, RuleChange
from exporter.parse.call import opened
from exporter.parse.rules import read_rules

_SPECS = MappingProxyType[tuple[str, str], EventSpec](
    {(spec.event_source, spec.event_name): spec for name in ("security_groups", "legacy_security_groups") for spec in WATCH_SETS[name]}
)


def asked_changes(event: ChangeEvent) -> tuple[RuleChange, ...]:
    """Return the rule changes that a denied, failed, dry or matchless call asked for, from its raw record.

    Empty for a call that succeeded (its changes are `event.rule_changes`) and where the record does not tell.
    """
    spec = _SPECS.get((event.event_source, event.event_name))
    if event.outcome is Outcome.SUCCESS or spec is None or not event.raw:
        return ()
    try:
        record = orjson.loads(event.raw)
    except orjson.JSONDecodeError:
        return ()
    if not isinstance(record, dict):
        return ()
    top = {key.lower(): value for key, value in record.items()}
    return read_rules(opened(spec, {**top, "responseelements": None})).changes
