"""The section `alerts` of the configuration: what the rules that `rules` prints look like at this site."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from exporter.families import FAMILIES
from exporter.rules.alert import Alert, Severity, Threshold
from exporter.rules.alerts import ALERTS
from exporter.rules.variant import VARIANT
from exporter.settings import Settings

Value = float | str

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_DURATION = re.compile(r"(?=\d)" + "".join(rf"(?:(\d{{1,5}}){unit})?" for unit in ("y", "w", "d", "h", "m", "s", "ms")))
"""As Prometheus reads it: each unit at most once, the largest first."""
_NOT_RE2 = re.compile(r"\(\?(?:[=!>#(]|<[=!]|P=)|[*+?}]\+")
"""What Python's regular expressions have and those of Prometheus have not."""

_TAKEN = {"alertname", "severity", "job", "instance", "channel_class", "security_group_id"} | {
    label for family in FAMILIES for label in family.labels
}
"""Labels that tell the alerts of a rule apart: a fixed value makes two of them one, and Prometheus then drops the whole rule."""

_BY_NAME = {alert.name: alert for alert in (*ALERTS, VARIANT)}


def _known(name: str) -> str:
    if name not in _BY_NAME:
        raise ValueError(f"unknown alert {name!r:.80}; choose from {', '.join(_BY_NAME)}")
    return name


AlertName = Annotated[str, AfterValidator(_known)]


def _checked(alert: str, threshold: Threshold, value: Value) -> Value:
    """Return the value of a threshold; raise ValueError where it is of another kind."""
    where = f"{alert}.{threshold.name}"
    if isinstance(threshold.default, str) != isinstance(value, str):
        kind = "text" if isinstance(threshold.default, str) else "a number"
        raise ValueError(f"{where} must be {kind}, not {value!r:.80}")
    if isinstance(value, str):
        if threshold.duration:
            _duration(where, value, zero=threshold.name == "hold")
        else:
            _expression(where, value)
    elif not isfinite(value):
        raise ValueError(f"{where} must be a finite number, not {value}; `disabled` leaves an alert out")
    return value


def _duration(where: str, value: str, *, zero: bool) -> None:
    """Raise ValueError where Prometheus would refuse a duration, or (unless `zero`) where it is one of nothing or over 99 years."""
    parts = _DURATION.fullmatch(value)
    if parts is None or (parts[1] and int(parts[1]) > 99) or not (zero or any(int(part or 0) for part in parts.groups())):
        raise ValueError(f"{where} must be a duration of Prometheus such as 10m, 1h or 1h30m, not {value!r:.80}")


def _expression(where: str, value: str) -> str:
    """Return a regular expression that stands between quotes in PromQL; raise ValueError where Prometheus could not read it."""
    if re.search(r'["\\\n]', value):
        raise ValueError(f"{where} must be a regular expression without quotes and backslashes, not {value!r:.80}")
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{where} is no regular expression: {error}, in {value!r:.80}") from None
    if _NOT_RE2.search(value):
        raise ValueError(f"{where} must be a regular expression as Prometheus knows it (RE2: no look-around), not {value!r:.80}")
    return value


def _plain(where: str, value: str) -> str:
    """Return text that Prometheus does not take for a template; raise ValueError where it would."""
    if "{{" in value:
        raise ValueError(f"{where} holds a template of Prometheus, which is not for settings: {value!r:.80}")
    return value


class AlertSettings(Settings):
    """What the alert rules that `aws-change-exporter rules` prints look like at this site."""

    runbook_url: str = Field(
        default="docs/runbooks", description="Where the runbooks are, for the links in alerts: the address of your copy of docs/runbooks."
    )
    exporter_job: str = Field(
        default=".*aws-change-exporter.*", description="Regular expression of the job under which Prometheus scrapes the exporter."
    )
    labels: Mapping[str, str] = Field(default_factory=dict, description="Labels that every alert gets, such as `team`.")
    disabled: tuple[AlertName, ...] = Field(default=(), description="Alerts to leave out.")
    severities: Mapping[AlertName, Severity] = Field(
        default_factory=dict, description="Severity by alert (`critical`, `warning`, `info`), where the default does not fit."
    )
    thresholds: Mapping[AlertName, Mapping[str, Value]] = Field(
        default_factory=dict,
        description="Thresholds by alert and name, as `AwsChangeBurst: {limit: 50}`; [alerts](alerts.md) lists them.",
    )

    @field_validator("labels")
    @classmethod
    def _labels(cls, labels: Mapping[str, str]) -> Mapping[str, str]:
        for name in labels:
            if not _LABEL.fullmatch(name) or name.startswith("__") or name in _TAKEN:
                raise ValueError(
                    f"{name!r:.80} cannot be a label here; use letters, digits and underscores, not `__` first, and none of {', '.join(sorted(_TAKEN))}"
                )
            _plain(f"label {name}", labels[name])
        return labels

    @field_validator("exporter_job")
    @classmethod
    def _exporter_job(cls, value: str) -> str:
        return _expression("exporter_job", value)

    @field_validator("runbook_url")
    @classmethod
    def _runbook_url(cls, value: str) -> str:
        return _plain("runbook_url", value)

    @field_validator("thresholds")
    @classmethod
    def _thresholds(cls, thresholds: Mapping[str, Mapping[str, Value]]) -> Mapping[str, Mapping[str, Value]]:
        for name, values in thresholds.items():
            known = {threshold.name: threshold for threshold in _BY_NAME[name].thresholds}
            for key, value in values.items():
                if key not in known:
                    raise ValueError(f"{name} has no threshold {key!r:.80}; it has {', '.join(known) or 'none'}")
                _checked(name, known[key], value)
        return thresholds

    def values(self, alert: Alert) -> dict[str, Value]:
        """Return the value of each threshold of an alert, defaults filled in; `exporter_job` is one of every alert."""
        chosen = self.thresholds.get(alert.name, {})
        return {"exporter_job": self.exporter_job} | {
            threshold.name: chosen.get(threshold.name, threshold.default) for threshold in alert.thresholds
        }
