"""The registry of checks: what every check and each of its gauges must keep to."""

from __future__ import annotations

from datetime import timedelta

from exporter.checks import CHECKS, STATE_FAMILIES, samples
from exporter.families import FAMILIES
from exporter.forecast import FORECAST_FAMILIES
from exporter.metrics.table import SERIES_GAUGES, TELEMETRY
from exporter.posture.standing import Attachment, Exposure, Group, Part, RecorderLight, Standing, TrailLight
from tests.sights import NOW, UNIT, VPC, ipv4, opened, sg, sight, standing


def everything() -> Standing:
    """Return a picture in which every check finds something."""
    return standing(
        groups=(
            Group(sg(1), "web", VPC, tuple(ipv4(number) for number in range(40))),
            Group(sg(2), "default", VPC, (ipv4(1),)),
            Group(sg(3), "forgotten", VPC),
        ),
        prefix_lists={},
        attachments={sg(1): Attachment(1, public_ipv4=True)},
        balanced=frozenset(),
        trails=(TrailLight("audit", last_delivery=NOW - timedelta(minutes=4), validates=True),),
        recorder=(RecorderLight("default", frequency="continuous"),),
        read_at=dict.fromkeys(Part, NOW),
    )


def test_every_family_is_given():
    """Otherwise a gauge is documented that no check ever gives."""
    rules = [opened(ipv4(1)), opened(ipv4(2), exception="bastion")]
    given = {sample.family for sample in samples(sight(everything(), rules))}
    assert given == {family.name for family in STATE_FAMILIES}


def test_what_was_never_read_gives_nothing():
    """Otherwise an account whose rules could not be read looks like one that has none."""
    given = {sample.family: sample for sample in samples(sight())}
    assert set(given) == {"awschange_exporter_pending_rule_changes"}


def test_the_families_keep_the_rules_of_the_page():
    """Otherwise two families share a name, a sum cannot be told from a series, or a label has to change once people use it."""
    names = [family.name for family in (*FAMILIES, *FORECAST_FAMILIES, *STATE_FAMILIES)] + [
        row.name for row in (*TELEMETRY, *SERIES_GAUGES)
    ]
    assert len(names) == len(set(names))
    for family in (*FORECAST_FAMILIES, *STATE_FAMILIES):
        assert (family.type, family.held, family.labels[:2]) == ("gauge", False, ("account_id", "region"))
        assert family.name.startswith("awschange_")
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket")), family.name
        assert family.folded, family.name
        assert set(family.folded) <= set(family.labels)
        assert family.budget > 0
        assert family.help.endswith(".")
        assert not set(family.labels) & {"type", "service", "name", "env", "owner", "cluster", "instance"}


def test_each_check_gives_only_its_own_families():
    """Otherwise its series would be those of another check, or of none."""
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    looked_at = sight(everything(), [opened(ipv4(1), exposure=Exposure.UNKNOWN)])
    for check in CHECKS:
        assert {sample.family for sample in check.run(looked_at)} <= {family.name for family in check.families}


def test_every_series_is_of_the_unit():
    """Otherwise the page passes it over, because two units could give the same series."""
    assert {sample.labels[:2] for sample in samples(sight(everything()))} == {UNIT}
