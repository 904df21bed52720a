"""The metric families that live in the store: one record each, read by store, exposition and docs alike.

A family says what an event adds to which of its series. The store keeps every series; the exposition
shows the first `budget` of them, in the order in which they were born, and folds the rest into `__other__`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from exporter.catalog import CORE_EVENTS
from exporter.model import ChangeEvent, Channel, Outcome, PrincipalType, Unit
from exporter.posture.ports import PORT_CLASSES

Labels = tuple[str, ...]
Contribution = tuple[Labels, float]
Update = Literal["add", "min", "max"]

OTHER = "__other__"
"""The label value under which series past a family's budget are summed."""


def _nothing(_unit: Unit) -> Iterable[Labels]:
    return ()


def _nothing_of_source(_source: str, _unit: Unit) -> Iterable[Labels]:
    return ()


def _no_contribution(_event: ChangeEvent, _recorded_at: datetime) -> Iterable[Contribution]:
    return ()


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family kept in the store.

    `contribute` maps a newly stored event and our clock to (label values, amount) pairs; `update` says how
    an amount meets the old value. `zeros` names the series that exist at 0 from a unit's first sight, `source_zeros`
    those of a unit of a source that counts into the family (SourceType.families), from when it goes live.
    `live_only` families never see events from before the unit went live. `folded` names the labels that
    become `__other__` past `budget` series. `held` series are shown at 0 until they have stood for
    `metrics.birth_hold`, because increase() misses the first sample of a series.
    """

    name: str
    type: Literal["counter", "gauge"]
    help: str
    labels: Labels
    budget: int
    folded: Labels
    contribute: Callable[[ChangeEvent, datetime], Iterable[Contribution]] = _no_contribution
    update: Update = "add"
    zeros: Callable[[Unit], Iterable[Labels]] = _nothing
    source_zeros: Callable[[str, Unit], Iterable[Labels]] = _nothing_of_source
    live_only: bool = True
    held: bool = True
    stability: Literal["experimental", "stable", "deprecated"] = "experimental"


def _events(event: ChangeEvent, _recorded_at: datetime) -> Iterator[Contribution]:
    yield (event.account_id, event.region, event.event_source, event.event_name, event.outcome.value), 1


def _event_zeros(unit: Unit) -> Iterator[Labels]:
    for source, name in CORE_EVENTS:
        for outcome in Outcome:
            yield unit.account_id, unit.region, source, name, outcome.value


def _channels(event: ChangeEvent, _recorded_at: datetime) -> Iterator[Contribution]:
    yield (event.account_id, event.region, event.channel.value), 1


def _channel_zeros(unit: Unit) -> Iterator[Labels]:
    for channel in Channel:
        yield unit.account_id, unit.region, channel.value


def _opened(event: ChangeEvent, _recorded_at: datetime) -> Iterator[Contribution]:
    if event.outcome is Outcome.SUCCESS:
        for port_class in event.opened_port_classes:
            yield (event.account_id, event.region, port_class), 1


def _opened_zeros(unit: Unit) -> Iterator[Labels]:
    for port_class in PORT_CLASSES:
        yield unit.account_id, unit.region, port_class


def _content_unknown(event: ChangeEvent, _recorded_at: datetime) -> Iterator[Contribution]:
    if not event.content_known:
        yield (event.account_id, event.region), 1


def _unit_alone(unit: Unit) -> Iterator[Labels]:
    yield unit.account_id, unit.region


def _group_changes(event: ChangeEvent, _recorded_at: datetime) -> Iterator[Contribution]:
    if event.outcome is Outcome.SUCCESS:
        for group in event.security_groups:
            yield (event.account_id, event.region, group, event.event_name, event.principal.name), 1


def _principal_changes(event: ChangeEvent, _recorded_at: datetime) -> Iterator[Contribution]:
    if event.outcome is Outcome.SUCCESS:
        yield (event.account_id, event.principal.type.value, event.principal.name), 1


def _principal_type_changes(event: ChangeEvent, _recorded_at: datetime) -> Iterator[Contribution]:
    if event.outcome is Outcome.SUCCESS:
        yield (event.account_id, event.region, event.principal.type.value), 1


def _principal_type_zeros(unit: Unit) -> Iterator[Labels]:
    for principal_type in PrincipalType:
        yield unit.account_id, unit.region, principal_type.value


def _principal_first_seen(event: ChangeEvent, _recorded_at: datetime) -> Iterator[Contribution]:
    yield (event.account_id, event.principal.type.value, event.principal.name), event.event_time.timestamp()


def _last_change(event: ChangeEvent, recorded_at: datetime) -> Iterator[Contribution]:
    if event.outcome is Outcome.SUCCESS:
        yield (event.account_id, event.region), recorded_at.timestamp()


CHANNELS = Family(
    "awschange_channel_events_total",
    "counter",
    "Change events recorded, whatever their outcome, by the tool the call was made with.",
    ("account_id", "region", "channel"),
    20_000,
    ("account_id", "region"),
    _channels,
    zeros=_channel_zeros,
)
EVENT_FAMILIES: tuple[Family, ...] = (
    Family(
        "awschange_events_total",
        "counter",
        "Change events recorded, by outcome (success, noop, denied, failed, dry_run); at 0 from the start for every core event. Page on this one.",
        ("account_id", "region", "event_source", "event_name", "outcome"),
        50_000,
        ("account_id", "region", "event_source", "event_name"),
        _events,
        zeros=_event_zeros,
    ),
    CHANNELS,
    Family(
        "awschange_ingress_opened_total",
        "counter",
        "Successful changes that opened ingress to the internet, by class of the ports opened; one change counts once in each class it opens. "
        "Judged by the addresses in the change's own record; a modified rule is taken for ingress, because its record does not tell.",
        ("account_id", "region", "port_class"),
        20_000,
        ("account_id", "region"),
        _opened,
        zeros=_opened_zeros,
    ),
    Family(
        "awschange_exporter_content_unknown_events_total",
        "counter",
        "Successful changes whose record came without what they changed (CloudTrail leaves out requests over 100 KB): that something changed "
        "is counted, but not whether it opened anything. An addendum that tells it later takes none away here.",
        ("account_id", "region"),
        5_000,
        ("account_id", "region"),
        _content_unknown,
        zeros=_unit_alone,
    ),
    Family(
        "awschange_security_group_changes_total",
        "counter",
        "Successful changes of a security group (of its attachments and tags too, where watched), by group, call and principal. "
        "For dashboards; page on awschange_events_total.",
        ("account_id", "region", "security_group_id", "event_name", "principal"),
        10_000,
        ("security_group_id", "event_name", "principal"),
        _group_changes,
    ),
    Family(
        "awschange_principal_changes_total",
        "counter",
        "Successful changes by principal.",
        ("account_id", "principal_type", "principal"),
        2_000,
        ("principal_type", "principal"),
        _principal_changes,
    ),
    # What a principal is must not be hidden by how many there are: past the budget of the family above, root would be in __other__.
    Family(
        "awschange_principal_type_changes_total",
        "counter",
        "Successful changes by type of principal, as root.",
        ("account_id", "region", "principal_type"),
        20_000,
        ("account_id", "region"),
        _principal_type_changes,
        zeros=_principal_type_zeros,
    ),
    Family(
        "awschange_principal_first_seen_timestamp_seconds",
        "gauge",
        "Event time of the first event by this principal that the exporter has ever stored, the past included.",
        ("account_id", "principal_type", "principal"),
        2_000,
        ("principal_type", "principal"),
        _principal_first_seen,
        update="min",
        live_only=False,
        held=False,
    ),
    Family(
        "awschange_last_change_observed_timestamp_seconds",
        "gauge",
        "When the exporter last stored a successful change of this account and region, by the exporter's clock.",
        ("account_id", "region"),
        5_000,
        ("account_id", "region"),
        _last_change,
        update="max",
        held=False,
    ),
)
"""What AWS says. A new event metric is one more row."""

RECORDS_READ = Family(
    "awschange_exporter_records_read_total",
    "counter",
    "Records read from the source. Always equals the sum of awschange_exporter_records_total of that source.",
    ("source",),
    100,
    ("source",),
    held=False,
)
RECORDS = Family(
    "awschange_exporter_records_total",
    "counter",
    "Records by what became of them: stored (this source was the first to bring the event), duplicate (same event again, or reason conflict: same id, other body), ignored or malformed, with the reason.",
    ("source", "fate", "reason"),
    2_000,
    ("source", "reason"),
    held=False,
)
RECORD_FAMILIES: tuple[Family, ...] = (RECORDS_READ, RECORDS)
"""What became of every record read; counted by the store in the transaction that decides it."""

_UNIT = ("source", "account_id", "region")

VERIFICATION_STATES = ("verified", "missing", "modified", "unsigned")
"""The values of `state` of trail files and digests."""

MESSAGE_FATES = ("done", "test", "unrelated", "poison", "failed")
"""The values of `fate` of queue messages."""


def _unit_zero(source: str, unit: Unit) -> Iterator[Labels]:
    yield source, unit.account_id, unit.region


def _state_zeros(source: str, unit: Unit) -> Iterator[Labels]:
    # Of a source that spans many accounts the units are not known beforehand: it counts 0 when it first meets one.
    if unit.account_id:
        for state in VERIFICATION_STATES:
            yield source, unit.account_id, unit.region, state


def _message_zeros(source: str, _unit: Unit) -> Iterator[Labels]:
    for fate in MESSAGE_FATES:
        yield source, fate


GAPS = Family(
    "awschange_exporter_gaps_total",
    "counter",
    "Stretches of time whose changes are lost for good: the exporter was down for longer than AWS keeps them (LookupEvents: 90 days).",
    _UNIT,
    2_000,
    ("account_id", "region"),
    source_zeros=_unit_zero,
)
GAP_SECONDS = Family(
    "awschange_exporter_gap_seconds_total",
    "counter",
    "How long those stretches are in all. The log line of each says from when to when.",
    _UNIT,
    2_000,
    ("account_id", "region"),
    source_zeros=_unit_zero,
)
LATE_EVENTS = Family(
    "awschange_exporter_late_events_total",
    "counter",
    "Events that AWS showed only after the overlap of the polls had passed them; a deep re-scan brought them.",
    _UNIT,
    2_000,
    ("account_id", "region"),
    source_zeros=_unit_zero,
)
TRAIL_FILES = Family(
    "awschange_exporter_trail_files_total",
    "counter",
    "Trail files by what the chain of signed digests says of them: verified, missing, modified, unsigned (no digest names it). "
    "Anything but verified means that evidence was tampered with or lost; the log names the file.",
    (*_UNIT, "state"),
    5_000,
    ("account_id", "region"),
    source_zeros=_state_zeros,
)
DIGESTS = Family(
    "awschange_exporter_digests_total",
    "counter",
    "Digest files by what became of them: verified, missing (the chain skips it), modified, unsigned (no valid signature).",
    (*_UNIT, "state"),
    5_000,
    ("account_id", "region"),
    source_zeros=_state_zeros,
)
VERIFIED_UNTIL = Family(
    "awschange_exporter_trail_verified_until_timestamp_seconds",
    "gauge",
    "End of the latest hour of which a digest with a valid signature names all log files and each holds what was signed. Files that are still to come cannot be of before.",
    _UNIT,
    2_000,
    ("account_id", "region"),
    update="max",
    held=False,
)
QUEUE_MESSAGES = Family(
    "awschange_exporter_queue_messages_total",
    "counter",
    "Messages by what became of them: done (stored, then deleted), test (of S3 or CloudTrail), unrelated (names nothing of a trail), "
    "poison (not understood; left to the dead-letter queue), failed (what it names could not be read; it comes again).",
    ("source", "fate"),
    200,
    (),
    source_zeros=_message_zeros,
)
SCANNED_BYTES = Family(
    "awschange_exporter_athena_scanned_bytes_total",
    "counter",
    "Bytes of trail files that the queries of a source of type athena scanned, by the account and region that is billed for them. What they "
    "cost is in awschange_exporter_aws_estimated_cost_dollars_total.",
    _UNIT,
    100,
    ("account_id", "region"),
)
SOURCE_FAMILIES: tuple[Family, ...] = (
    GAPS,
    GAP_SECONDS,
    LATE_EVENTS,
    TRAIL_FILES,
    DIGESTS,
    VERIFIED_UNTIL,
    QUEUE_MESSAGES,
    SCANNED_BYTES,
)
"""What sources count beside records (`Batch.counts`), stored in the transaction of the batch. A count of 0 makes a series exist."""

UNEXPLAINED = Family(
    "awschange_unexplained_rule_changes_total",
    "counter",
    "Rules that differ from the reading before although no event says who changed them, once posture.lag_budget is over: someone works in the dark. "
    "The history names each as UnexplainedRuleChange.",
    ("account_id", "region"),
    5_000,
    ("account_id", "region"),
)
POSTURE_FAMILIES: tuple[Family, ...] = (UNEXPLAINED,)
"""What readings of what stands count (`PostureChange.counts`). A unit's series exist at 0 from its first reading."""

FAMILIES: tuple[Family, ...] = EVENT_FAMILIES + RECORD_FAMILIES + SOURCE_FAMILIES + POSTURE_FAMILIES
