"""Every alert: each module here holds one, as `ALERT`; a new file is a new alert."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from exporter.rules.alert import GROUPS, Alert


def _load() -> tuple[Alert, ...]:
    order = {group: place for place, group in enumerate(GROUPS)}
    alerts: list[Alert] = [import_module(f"{__name__}.{module.name}").ALERT for module in iter_modules(__path__)]
    for alert in alerts:
        # Without a group it would be in no rule file.
        if alert.group not in order:
            raise ValueError(f"{alert.name}: there is no group {alert.group!r}; choose from {', '.join(order)}")
    return tuple(sorted(alerts, key=lambda alert: (order[alert.group], alert.name)))


ALERTS = _load()
"""All alerts, in the order of their groups."""
