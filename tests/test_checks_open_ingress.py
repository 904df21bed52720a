"""Open ingress: how many rules are open, by what they open and what they reach, and which of them are excepted."""

from __future__ import annotations

import pytest

from exporter.checks.open_ingress import OPEN_INGRESS
from exporter.posture.standing import Exposure, Group
from tests.sights import VPC, given, ipv4, opened, sg, sight

OPEN, EXCEPTED = "open_ingress_rules", "open_ingress_excepted_rules"
ADMIN = (VPC, sg(1), "tcp", "admin", "4", "public")

CASES = {
    "nothing is open": ([], {}),
    "one rule": ([opened(ipv4(22))], {(OPEN, *ADMIN): 1}),
    "two rules of one class": ([opened(ipv4(22)), opened(ipv4(3389))], {(OPEN, *ADMIN): 2}),
    "two stretches of ports of one rule and class count once": ([opened(ipv4(22)), opened(ipv4(22))], {(OPEN, *ADMIN): 1}),
    "rules of AWS Config have no id": ([opened(ipv4(22, rule_id=None)), opened(ipv4(3389, rule_id=None))], {(OPEN, *ADMIN): 2}),
    "one rule without id twice": ([opened(ipv4(22, rule_id=None)), opened(ipv4(22, rule_id=None))], {(OPEN, *ADMIN): 1}),
    "one rule in two classes": (
        [opened(ipv4(22)), opened(ipv4(22), port_class="web")],
        {(OPEN, *ADMIN): 1, (OPEN, VPC, sg(1), "tcp", "web", "4", "public"): 1},
    ),
    "both IP versions": (
        [opened(ipv4(22)), opened(ipv4(22), ip_version=6)],
        {(OPEN, *ADMIN): 1, (OPEN, VPC, sg(1), "tcp", "admin", "6", "public"): 1},
    ),
    "another exposure": (
        [opened(ipv4(22), exposure=Exposure.UNATTACHED)],
        {(OPEN, VPC, sg(1), "tcp", "admin", "4", "unattached"): 1},
    ),
    "a protocol number": ([opened(ipv4(22), protocol="47")], {(OPEN, VPC, sg(1), "47", "admin", "4", "public"): 1}),
    "a group without VPC": ([opened(ipv4(22), Group(sg(2)))], {(OPEN, "", sg(2), "tcp", "admin", "4", "public"): 1}),
    "an excepted rule is none of the others": ([opened(ipv4(22), exception="bastion")], {(EXCEPTED, *ADMIN): 1}),
    "by two exceptions": (
        [opened(ipv4(22), exception="bastion"), opened(ipv4(3389), exception="vpn")],
        {(EXCEPTED, *ADMIN): 2},
    ),
    "a rule that is excepted in part is open": (
        [opened(ipv4(22)), opened(ipv4(22), exception="bastion")],
        {(OPEN, *ADMIN): 1, (EXCEPTED, *ADMIN): 1},
    ),
}


@pytest.mark.parametrize(("rules", "expected"), CASES.values(), ids=CASES)
def test_each_series_counts_its_rules(rules, expected):
    """Otherwise somebody is paged for what is excepted, or twice for one rule, or not at all."""
    assert given(OPEN_INGRESS, sight(open_rules=rules)) == expected
