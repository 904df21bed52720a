"""What is open to the internet now: the rules that are not excepted, and those that are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from exporter.checks.base import Check, Sample, Sight
from exporter.families import Family, Labels
from exporter.model import Rule

_LABELS = ("account_id", "region", "vpc_id", "security_group_id", "protocol", "port_class", "ip_version", "exposure")
_FOLDED = ("vpc_id", "security_group_id", "protocol")

OPEN = Family(
    "awschange_open_ingress_rules",
    "gauge",
    "Ingress rules that let in the internet now and that no exception covers; a series is there only while something is open. A rule "
    "counts once in each class of its ports and each IP version. exposure tells what it reaches: public (an interface with a public "
    "address of that IP version, or a target of an internet-facing load balancer), attached (interfaces without), unattached (nothing), "
    "unknown (not all could be read). Page on this one, public first.",
    _LABELS,
    5_000,
    _FOLDED,
    held=False,
)
EXCEPTED = Family(
    "awschange_open_ingress_excepted_rules",
    "gauge",
    "Ingress rules that let in the internet now and that an exception of the configuration covers, as long as it has not expired; "
    "counted as awschange_open_ingress_rules.",
    _LABELS,
    5_000,
    _FOLDED,
    held=False,
)


def _run(sight: Sight) -> Iterator[Sample]:
    standing = sight.standing
    found: dict[tuple[str, Labels], set[str | Rule]] = defaultdict(set)
    for opened in sight.open_rules:
        labels: Labels = (
            standing.account_id,
            standing.region,
            opened.group.vpc_id,
            opened.group.group_id,
            opened.protocol,
            opened.port_class,
            str(opened.ip_version),
            opened.exposure.value,
        )
        # Several stretches of ports of one rule may be of one class.
        found[(EXCEPTED if opened.exception else OPEN).name, labels].add(opened.rule.rule_id or opened.rule)
    for (family, labels), rules in found.items():
        yield Sample(family, labels, len(rules))


OPEN_INGRESS = Check("open_ingress", (OPEN, EXCEPTED), _run)
