"""How alerts count calls that are watched but whose series are born with the first of them.

Only the calls of the watch set `security_groups` have series at 0 from the start. Of all others the first one is the birth of a series,
so what had no value before stood at 0; but only where the account and region was watched before: a Prometheus that is new, or was away
for more than six hours, would take every old count for new.
"""

from __future__ import annotations

from collections.abc import Iterable

from exporter.catalog import VERSIONED_SERVICES, EventSpec
from exporter.rules.alert import Threshold
from exporter.rules.counting import LOOK_BACK, Counted, counted

WINDOW = Threshold("window", "15m", "How far back is counted, and how long the alert lasts after the last call.", duration=True)


def chosen(specs: Iterable[EventSpec], event_source: str, names: str) -> tuple[EventSpec, ...]:
    """Return the rows of the catalog that are named, parted by blanks; raise ValueError for a name that it does not have."""
    rows = {spec.event_name: spec for spec in specs if spec.event_source == event_source}
    missing = sorted(set(names.split()) - set(rows))
    if missing:
        raise ValueError(f"the catalog has no {', '.join(missing)} of {event_source}")
    return tuple(rows[name] for name in names.split())


def call_names(specs: Iterable[EventSpec]) -> str:
    """Return the regular expression of the event names of rows, as they are logged."""
    names = (f"{spec.event_name}[0-9_v]*" if spec.event_source in VERSIONED_SERVICES else spec.event_name for spec in specs)
    return "|".join(sorted(set(names)))


def calls(level_and_metric: str, specs: Iterable[EventSpec], *, by: tuple[str, ...], why: str = "") -> Counted:
    """Return the count of successful calls of the services of rows, by labels; the alert has the thresholds `calls` and WINDOW."""
    services = "|".join(sorted({spec.event_source.removesuffix(".amazonaws.com") for spec in specs}))
    return counted(
        level_and_metric,
        f'awschange_events_total{{event_source=~"({services})[.]amazonaws[.]com", event_name=~"${{calls}}", outcome="success"}}',
        each=("account_id", "region", "event_source", "event_name"),
        by=by,
        window="${window}",
        born=True,
        why=why,
    )


def watched_before(window: str = "${window}") -> str:
    """Return the second half of an expression: only of accounts and regions that were watched before the window."""
    before = f'max_over_time(awschange_channel_events_total{{channel="other"}}[{LOOK_BACK}] offset {window})'
    return f"and on (account_id, region) max by (account_id, region) ({before})"


NEW_UNIT = (
    "An account and region that is watched for the first time is told of only after ${window}, and one that nobody could scrape for over "
    "six hours likewise: what was called just before may be missed. The history has it."
)
"""What every alert on such calls has to say of itself."""

FOLDED = (
    "Calls past the series budget of `awschange_events_total` are summed under `__other__` and not told: "
    "[AwsChangeSeriesFolded](AwsChangeSeriesFolded.md)."
)
"""What every alert on calls by name has to say of itself, too."""
