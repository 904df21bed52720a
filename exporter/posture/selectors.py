"""Which management events a trail records, from its event selectors: pure, no calls.

Sources: CloudTrail API reference, PutEventSelectors, EventSelector and AdvancedFieldSelector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "Equals": lambda value, operand: value == operand,
    "StartsWith": str.startswith,
    "EndsWith": str.endswith,
}
_DECIDED = {"eventCategory", "readOnly", "eventSource"}


def excluded(selectors: Mapping[str, Any], event_source: str = "ec2.amazonaws.com") -> str:
    """Return why a trail with these selectors records no writes of a service, or not all; empty where it records them all."""
    advanced = selectors.get("AdvancedEventSelectors") or ()
    if advanced:
        reasons = [_advanced(selector.get("FieldSelectors") or (), event_source) for selector in advanced]
    else:
        reasons = [_basic(selector, event_source) for selector in selectors.get("EventSelectors") or ()]
    if not reasons or "" in reasons:  # a trail that was given no selectors records all management events
        return ""
    # What speaks of management events says more than that another selector is for data events.
    return next((reason for reason in reasons if reason != _NO_MANAGEMENT), _NO_MANAGEMENT)


_NO_MANAGEMENT = "its event selectors exclude management events"
_READ_ONLY = "it records only reads (ReadOnly)"


def _basic(selector: Mapping[str, Any], event_source: str) -> str:
    if not selector.get("IncludeManagementEvents", True):
        return _NO_MANAGEMENT
    if selector.get("ReadWriteType", "All") == "ReadOnly":
        return _READ_ONLY
    if event_source in (selector.get("ExcludeManagementEventSources") or ()):
        return f"it excludes the events of {event_source}"
    return ""


def _advanced(fields: Sequence[Mapping[str, Any]], event_source: str) -> str:
    """Every field of an advanced selector must match for it to record an event."""
    if not _matches(fields, "eventCategory", "Management"):
        return _NO_MANAGEMENT
    if not _matches(fields, "readOnly", "false"):
        return _READ_ONLY
    if not _matches(fields, "eventSource", event_source):
        return f"it excludes the events of {event_source}"
    narrowing = sorted({str(field.get("Field", "")) for field in fields} - _DECIDED)
    return f"it records only some management events, by {', '.join(narrowing)}" if narrowing else ""


def _matches(fields: Sequence[Mapping[str, Any]], name: str, value: str) -> bool:
    return all(_accepts(field, value) for field in fields if field.get("Field") == name)


def _accepts(field: Mapping[str, Any], value: str) -> bool:
    """Operators of one field are joined by AND; the values of a positive one by OR, of a negative one by AND (none may match)."""
    for name, test in _TESTS.items():
        wanted, unwanted = field.get(name), field.get(f"Not{name}")
        if wanted and not any(test(value, str(operand)) for operand in wanted):
            return False
        if unwanted and any(test(value, str(operand)) for operand in unwanted):
            return False
    return True
