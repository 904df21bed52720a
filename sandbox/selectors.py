"""Which management events a trail wants: its event selectors, basic or advanced.

Source: CloudTrail API reference, EventSelector and AdvancedEventSelector; CloudTrail user guide, "Logging management events".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DEFAULT: Mapping[str, Any] = {
    "ReadWriteType": "All",
    "IncludeManagementEvents": True,
    "DataResources": [],
    "ExcludeManagementEventSources": [],
}
"""What a trail has to which nobody gave selectors."""

_OPERATORS: Mapping[str, Callable[[str, Sequence[str]], bool]] = {
    "Equals": lambda text, values: text in values,
    "NotEquals": lambda text, values: text not in values,
    "StartsWith": lambda text, values: text.startswith(tuple(values)),
    "NotStartsWith": lambda text, values: not text.startswith(tuple(values)),
    "EndsWith": lambda text, values: text.endswith(tuple(values)),
    "NotEndsWith": lambda text, values: not text.endswith(tuple(values)),
}


@dataclass(frozen=True, slots=True)
class Selectors:
    """The selectors of one trail; of the two kinds it has one."""

    basic: Sequence[Mapping[str, Any]]
    advanced: Sequence[Mapping[str, Any]]

    def want(self, record: Mapping[str, Any]) -> bool:
        """Tell whether the trail logs a management event."""
        if self.advanced:
            return any(all(_matches(field, record) for field in selector.get("FieldSelectors", ())) for selector in self.advanced)
        return any(_basic(selector, record) for selector in self.basic or (DEFAULT,))


def _basic(selector: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    if not selector.get("IncludeManagementEvents", True) or record["eventSource"] in selector.get("ExcludeManagementEventSources", ()):
        return False
    kind = selector.get("ReadWriteType", "All")
    return bool(kind == "All" or record["readOnly"] is (kind == "ReadOnly"))


def _matches(field: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    text = _text(str(field.get("Field", "")), record)
    return all(test(text, field[name]) for name, test in _OPERATORS.items() if field.get(name))


def _text(name: str, record: Mapping[str, Any]) -> str:
    if name == "eventCategory":
        return str(record.get("eventCategory", "Management"))
    value: Any = record
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
