"""The gauges of the forecast, one row each."""

from __future__ import annotations

from exporter.families import Family

_LABELS = ("account_id", "region", "channel_class")
_BUDGET = 20_000

EXPECTED = Family(
    "awschange_expected_changes",
    "gauge",
    "How many changes of the class of channels (people, scripts, automation) an hour that ends now usually brings, by the exporter's own "
    "history. Compare it with what awschange_channel_events_total grew by in an hour; after late counts it is for the longer stretch "
    "that was counted in one.",
    _LABELS,
    _BUDGET,
    ("account_id", "region"),
    held=False,
)
UPPER = Family(
    "awschange_expected_changes_upper",
    "gauge",
    "The bound that the changes of the class do not pass in an hour that ends now, but once in 100,000 usual hours. After late counts "
    "it makes room for them, as awschange_expected_changes does.",
    _LABELS,
    _BUDGET,
    ("account_id", "region"),
    held=False,
)
FORECAST_FAMILIES: tuple[Family, ...] = (EXPECTED, UPPER)
"""What is expected of the present hour; worked out anew each hour, and kept nowhere."""
