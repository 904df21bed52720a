"""Athena's workgroups: where results go, what a query may scan, and whether any may run.

Source: Athena API reference, WorkGroupConfiguration and WorkGroupConfigurationUpdates; user guide, "Managed query results". A workgroup
that was made enforces its settings unless it is told otherwise, `primary` does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sandbox import json_answers
from sandbox.backend import Answer
from sandbox.calls import Call
from sandbox.config_calls import asked_of
from sandbox.identities import Identity
from sandbox.journal import Unit
from sandbox.moments import Clock

VERSION = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
_LEAST_CUT_OFF = 10_000_000
_PRIMARY: Mapping[str, Any] = {"EnforceWorkGroupConfiguration": False}
_MADE: Mapping[str, Any] = {"EnforceWorkGroupConfiguration": True}


class Workgroups:
    """The workgroups of each account and region."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._groups: dict[tuple[Unit, str], dict[str, Any]] = {}

    def forget(self) -> None:
        """Have none but `primary`."""
        self._groups.clear()

    def find(self, unit: Unit, name: str) -> dict[str, Any] | None:
        """Return a workgroup; None where there is none. `primary` is there always."""
        if name == "primary":
            self._groups.setdefault((unit, name), self._made("primary", _PRIMARY))
        return self._groups.get((unit, name))

    def _made(self, name: str, configuration: Mapping[str, Any]) -> dict[str, Any]:
        at: datetime = self._clock()
        told = {"EngineVersion": VERSION, "PublishCloudWatchMetricsEnabled": False, **configuration}
        return {"Name": name, "State": "ENABLED", "Configuration": told, "CreationTime": at.timestamp()}

    def get(self, call: Call, identity: Identity) -> Answer:
        """Answer GetWorkGroup."""
        name = str(asked_of(call).get("WorkGroup"))
        group = self.find((identity.account_id, call.region), name)
        return invalid(f"WorkGroup {name} is not found.") if group is None else json_answers.success({"WorkGroup": group})

    def create(self, call: Call, identity: Identity) -> Answer:
        """Answer CreateWorkGroup."""
        asked, unit = asked_of(call), (identity.account_id, call.region)
        name, configuration = str(asked.get("Name")), asked.get("Configuration") or {}
        if self.find(unit, name) is not None:
            return invalid("WorkGroup is already created")
        if wrong := _wrong(configuration):
            return invalid(wrong)
        self._groups[unit, name] = self._made(name, {**_MADE, **configuration})
        return json_answers.success({})

    def update(self, call: Call, identity: Identity) -> Answer:
        """Answer UpdateWorkGroup."""
        asked, unit = asked_of(call), (identity.account_id, call.region)
        name, updates = str(asked.get("WorkGroup")), dict(asked.get("ConfigurationUpdates") or {})
        group = self.find(unit, name)
        if group is None:
            return invalid(f"WorkGroup {name} is not found.")
        result = updates.pop("ResultConfigurationUpdates", None)
        if wrong := _wrong(updates):
            return invalid(wrong)
        configuration = {**group["Configuration"], **updates}
        if updates.pop("RemoveBytesScannedCutoffPerQuery", False):
            configuration.pop("BytesScannedCutoffPerQuery", None)
        if isinstance(result, dict):
            location = None if result.get("RemoveOutputLocation") else result.get("OutputLocation")
            configuration["ResultConfiguration"] = {"OutputLocation": location} if location else {}
        self._groups[unit, name] = {**group, "State": asked.get("State", group["State"]), "Configuration": configuration}
        return json_answers.success({})


def output_of(configuration: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """Return where results go: "" to Athena itself, None where nobody says."""
    if (configuration.get("ManagedQueryResultsConfiguration") or {}).get("Enabled"):
        return ""
    own = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
    told = (asked.get("ResultConfiguration") or {}).get("OutputLocation")
    found = own or told if configuration.get("EnforceWorkGroupConfiguration") else told or own
    return str(found) if found else None


def _wrong(configuration: Mapping[str, Any]) -> str:
    """Return what is wrong with the configuration of a workgroup; "" where nothing is."""
    cut_off = configuration.get("BytesScannedCutoffPerQuery")
    if cut_off is not None and (not isinstance(cut_off, int) or cut_off < _LEAST_CUT_OFF):
        return f"BytesScannedCutoffPerQuery must be at least {_LEAST_CUT_OFF}"
    managed = (configuration.get("ManagedQueryResultsConfiguration") or {}).get("Enabled")
    location = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
    return "A workgroup with managed query results cannot have an output location" if managed and location else ""


def invalid(message: str) -> Answer:
    """Return the refusal of a request."""
    return json_answers.failure("InvalidRequestException", message)
