"""Changes of one hour by class of channel (people, scripts, automation), as the expected changes are."""

from __future__ import annotations

from textwrap import indent

from exporter.baseline import CHANNEL_CLASSES
from exporter.rules.counting import Counted, counted
from exporter.rules.record import Record

WINDOW = "1h"
"""The window of `awschange_expected_changes`; no setting, because the two must be the same."""

LABELS = ("account_id", "region", "channel_class")


def changes_by_class(level_and_metric: str, why: str = "") -> Counted:
    """Return the count of changes of one hour by account, region and class of channel."""
    channels = counted(level_and_metric, "awschange_channel_events_total", each=("account_id", "region", "channel"), window=WINDOW)
    grown, moved = (Record(record.name, _summed(record.expr)) for record in channels.records)
    return Counted((Record(grown.name, grown.expr, why), moved), channels.names)


def _summed(expr: str) -> str:
    for name, channels in CHANNEL_CLASSES.items():
        named = "|".join(channel.value for channel in channels)
        expr = f'label_replace(\n{indent(expr, "  ")},\n  "channel_class", "{name}", "channel", "{named}"\n)'
    return f"sum by ({', '.join(LABELS)}) (\n{indent(expr, '  ')}\n)"
