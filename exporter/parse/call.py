"""One record, opened for the extractors: parameters unwrapped, keys in lower case, nothing walked twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exporter.catalog import EventSpec
from exporter.parse.dialect import lowered, truth, unwrapped

RULE_SETS = ("securitygroupruleset", "revokedsecuritygroupruleset")


@dataclass(frozen=True, slots=True)
class Call:
    """What the extractors read; every mapping has lower-case keys."""

    spec: EventSpec
    top: Mapping[str, Any]
    request: Mapping[str, Any]
    response: Mapping[str, Any]

    @property
    def request_left_out(self) -> bool:
        """Whether AWS left the parameters out: null, missing, of a wrong type, or `{"omitted": true}` (over 100 kB)."""
        return not isinstance(self.top.get("requestparameters"), dict) or truth(self.request.get("omitted")) is True

    def section(self, name: str) -> Mapping[str, Any]:
        """Return the part of the record that a resource path begins with."""
        if name == "request":
            return self.request
        return self.response if name == "response" else lowered(self.top.get("serviceeventdetails"))


def opened(spec: EventSpec, top: Mapping[str, Any]) -> Call:
    """Return the call of a record that has lower-case keys."""
    return Call(
        spec,
        top,
        unwrapped(top.get("requestparameters"), ("request", "req")),
        unwrapped(top.get("responseelements"), ("response", "resp")),
    )
