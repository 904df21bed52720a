"""The entries of the history that no record brought: rule changes that no event explains. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b

from exporter.model import ChangeEvent, Channel, Outcome, Principal, PrincipalType, Resource, RuleChange
from exporter.posture.calls import PREFIX_LIST_TYPE
from exporter.posture.chronicle import EVENT_SOURCE, PREFIX_LIST, Unexplained
from exporter.posture.codec import encode

EVENT_NAME = "UnexplainedRuleChange"


def entry_id(account_id: str, region: str, kind: str, resource_id: str, until: datetime, changes: Sequence[RuleChange]) -> str:
    """Return the event id of an entry: always the same for the same rule changes, `hash:` and 32 hex digits."""
    what = encode((EVENT_NAME, account_id, region, kind, resource_id, until, tuple(changes)))
    return "hash:" + blake2b(what, digest_size=16).hexdigest()


def is_entry(event: ChangeEvent) -> bool:
    """Tell whether an event is such an entry: no record brought it, and nobody knows who did what it says."""
    return event.event_source == EVENT_SOURCE and event.event_name == EVENT_NAME


def unexplained_event(account_id: str, region: str, unexplained: Unexplained) -> ChangeEvent:
    """Return the entry of the history that says what changed although no event tells who did it; its time is when it was seen."""
    of_list = unexplained.kind == PREFIX_LIST
    groups = unexplained.security_groups if of_list else (unexplained.id,)
    own = Resource(PREFIX_LIST_TYPE if of_list else "AWS::EC2::SecurityGroup", unexplained.id)
    own_id = unexplained.entry or entry_id(account_id, region, unexplained.kind, unexplained.id, unexplained.until, unexplained.changes)
    return ChangeEvent(
        event_id=own_id,
        event_time=unexplained.until,
        account_id=account_id,
        region=region,
        event_source=EVENT_SOURCE,
        event_name=EVENT_NAME,
        outcome=Outcome.SUCCESS,
        channel=Channel.OTHER,
        principal=Principal(PrincipalType.UNKNOWN, "unknown"),
        security_groups=groups,
        resources=(own, *(Resource("AWS::EC2::SecurityGroup", group) for group in groups if group != unexplained.id)),
        rule_changes=unexplained.changes,
        opened_port_classes=unexplained.opened_port_classes,
        fingerprint=blake2b(own_id.encode(), digest_size=16).digest(),
    )
