"""Groups that nothing needs: no interface has them, and no other group's rule names them."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.checks.base import Check, Sample, Sight
from exporter.families import Family
from exporter.model import PeerType
from exporter.posture.standing import Group

_UNIT = ("account_id", "region")

UNUSED = Family(
    "awschange_unused_security_groups",
    "gauge",
    "Security groups that no network interface of this account has and no rule of another group here names; default groups left out, and "
    "groups that another account shares. Launch templates and other accounts may name them still. Absent until interfaces were read.",
    _UNIT,
    5_000,
    _UNIT,
    held=False,
)


def _named(groups: tuple[Group, ...]) -> set[str]:
    """Return the ids that rules of other groups name."""
    return {
        rule.peer
        for group in groups
        for rule in group.rules
        if rule.peer_type is PeerType.SECURITY_GROUP and rule.peer and rule.peer != group.group_id
    }


def _run(sight: Sight) -> Iterator[Sample]:
    standing = sight.standing
    if standing.groups is None or standing.attachments is None:
        return
    named = _named(standing.groups)
    attached = {group_id for group_id, attachment in standing.attachments.items() if attachment.interfaces}
    unused = sum(
        not group.is_default
        and group.owner_id in {"", standing.account_id}
        and group.group_id not in attached
        and group.group_id not in named
        for group in standing.groups
    )
    yield Sample(UNUSED.name, (standing.account_id, standing.region), unused)


UNUSED_GROUPS = Check("unused_groups", (UNUSED,), _run)
