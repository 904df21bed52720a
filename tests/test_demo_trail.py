from __future__ import annotations

import gzip
import json
import re
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import orjson
import pytest

from exporter.catalog import CORE_EVENTS, DEFAULT_WATCH_SETS, Watch
from exporter.demo import trail
from exporter.demo.calls import Made
from exporter.demo.rules import EGRESS, INGRESS
from exporter.demo.trail import TrailGenerator, story, trail_path, write_trail_file
from exporter.model import ChangeEvent, Outcome, RuleAction, Unit
from exporter.parse import RecordParser
from exporter.posture.open_ingress import OpenedIngress
from exporter.posture.ports import DEFAULT_PORT_CLASSES, parse_ports

START = datetime(2026, 1, 31, 11, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
OPENED = OpenedIngress({name: parse_ports(entries) for name, entries in DEFAULT_PORT_CLASSES.items()})


@pytest.fixture(scope="module")
def many() -> list[Made]:
    return list(TrailGenerator(4).records(6000, START, START + HOUR, change_share=0.5))


def _parse(made: Made) -> ChangeEvent:
    parser = RecordParser(Watch(DEFAULT_WATCH_SETS), opened=OPENED)
    raw = orjson.dumps(made.record)
    parsed = parser.parse(orjson.loads(raw), raw)
    assert isinstance(parsed, ChangeEvent)
    return parsed


def test_the_same_seed_gives_the_same_trail_byte_for_byte() -> None:
    """Two runs of a benchmark would measure different data, and a failing test could not be repeated."""
    first, second, other = (
        [orjson.dumps(made.record) for made in TrailGenerator(seed).records(300, START, START + HOUR, 0.3)] for seed in (7, 7, 8)
    )
    assert first == second
    assert first != other


def test_records_have_the_sizes_of_real_ones() -> None:
    """Throughput measured on records half the real size would be twice the real throughput."""
    sizes = sorted(len(orjson.dumps(made.record)) for made in TrailGenerator(1).records(4000, START, START + HOUR))
    low, middle, high = (sizes[len(sizes) * part // 100] for part in (5, 50, 95))
    assert 600 <= low <= 1000
    assert 1300 <= middle <= 1800
    assert 2100 <= high <= 2900


def test_changes_are_as_rare_as_asked_and_all_else_is_not_watched(many: list[Made]) -> None:
    """A look-alike that slipped into the noise would make the truth wrong, and with it every test that counts."""
    core = set(CORE_EVENTS)
    assert all(((made.truth.event_source, made.truth.event_name) in core) is made.truth.change for made in many)
    share = sum(made.truth.change for made in TrailGenerator(1).records(5000, START, START + HOUR, 0.01)) / 5000
    assert 0.005 < share < 0.02


def test_every_core_event_and_outcome_occurs(many: list[Made]) -> None:
    """A shape that the trail never has is never exercised by the demo and the benchmarks."""
    changes = [made.truth for made in many if made.truth.change]
    assert {(truth.event_source, truth.event_name) for truth in changes} == set(CORE_EVENTS)
    assert {truth.outcome for truth in changes} == set(Outcome)
    assert {made.truth.unit for made in many} == {Unit(account, region) for account in trail.ACCOUNTS for region in trail.REGIONS}


def test_the_parser_reads_what_the_generator_meant(many: list[Made]) -> None:
    """The demo would show other counts than the story tells; truth is written beside each shape, not worked out from it."""
    for made in many:
        if not made.truth.change:
            continue
        truth, event = made.truth, _parse(made)
        got = (event.event_id, event.event_time, Unit(event.account_id, event.region), event.event_source, event.event_name, event.outcome)
        assert got == (truth.event_id, truth.event_time, truth.unit, truth.event_source, truth.event_name, truth.outcome)
        assert event.security_groups == truth.security_groups or (
            # Groups that a rule names may stand beside the one that has it.
            set(truth.security_groups) <= set(event.security_groups) and event.event_name.startswith(("Authorize", "Revoke"))
        ), made.record
        assert event.opened_port_classes == truth.opened, made.record
        assert (event.principal.name, event.principal.type, event.channel) == (truth.principal, truth.principal_type, truth.channel)
        assert event.content_known is (made.record["requestParameters"] is not None or made.record["eventType"] == "AwsServiceEvent")


def test_rules_are_revoked_by_the_ids_they_were_given() -> None:
    """Revokes of rules that never were would be no history that a reader could follow."""
    given: set[str] = set()
    revoked: set[str] = set()
    untold = 0
    for made in TrailGenerator(2).records(3000, START, START + HOUR, change_share=1):
        if made.truth.outcome is not Outcome.SUCCESS:
            continue
        response = made.record["responseElements"] or {}
        given |= {item["securityGroupRuleId"] for item in response.get("securityGroupRuleSet", {}).get("items", [])}
        untold += made.truth.event_name == "AuthorizeSecurityGroupIngress" and "securityGroupRuleSet" not in response
        if made.truth.event_name == "RevokeSecurityGroupIngress":
            asked = made.record["requestParameters"].get("securityGroupRuleIds", {}).get("items", [])
            revoked |= {item["securityGroupRuleId"] for item in asked}
    assert len(revoked) > 50
    # An answer from before July 2021 does not tell the id; such a rule can be revoked by id all the same.
    assert len(revoked - given) <= untold < len(revoked) / 2


def test_groups_are_not_changed_after_their_death_or_before_their_birth() -> None:
    """A history page would show a deleted group that lives on."""
    born: Counter[str] = Counter()
    dead: set[str] = set()
    for made in TrailGenerator(3).records(4000, START, START + HOUR, change_share=1):
        truth = made.truth
        if truth.outcome is not Outcome.SUCCESS:
            continue
        for group in truth.security_groups:
            if truth.event_name in ("CreateSecurityGroup", "CreateVpcResourceCreation"):
                born[group] += 1
            else:
                assert born[group] == 1
                assert group not in dead
            if truth.event_name == "DeleteSecurityGroup":
                dead.add(group)
    assert len(dead) > 50


def test_both_dialects_and_all_forms_of_requests_occur(many: list[Made]) -> None:
    """A parser that knows one dialect would pass on this trail and fail on AWS's."""
    texts = {made.truth.event_name: "" for made in many if made.truth.change}
    for made in many:
        if made.truth.change:
            texts[made.truth.event_name] += json.dumps([made.record["requestParameters"], made.record["responseElements"]])
    authorize, revoke = texts["AuthorizeSecurityGroupIngress"], texts["RevokeSecurityGroupIngress"]
    for form in (
        '"ipPermissions": {}, "ipProtocol": ',
        '"groupName": ',
        '"prefixListIds": {"items"',
        '"ipv6Ranges": {"items"',
        "[null, null]",
    ):
        assert form in authorize
    for form in ('"securityGroupRuleIds"', '"revokedSecurityGroupRuleSet"', '"unknownIpPermissionSet"'):
        assert form in revoke
    assert '"ModifySecurityGroupRulesRequest"' in texts["ModifySecurityGroupRules"]
    assert '"IpProtocol": -1' in texts["ModifySecurityGroupRules"]
    described = texts["UpdateSecurityGroupRuleDescriptionsIngress"]
    assert '"SecurityGroupRuleDescription": [' in described
    assert '"SecurityGroupRuleDescription": {' in described


def test_only_documentation_accounts_and_addresses_are_used(many: list[Made]) -> None:
    """A made-up address that belongs to somebody would put a stranger into our screenshots."""
    text = b"\n".join(orjson.dumps(made.record) for made in many).decode()
    allowed = re.compile(r"(192\.0\.2|198\.51\.100|203\.0\.113|10|127|169\.254)\.[0-9.]+|0\.0\.0\.0|128\.0\.0\.0")
    agents = re.compile(r'"userAgent":"[^"]*"')
    found = set(re.findall(r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])", agents.sub("", text)))
    assert found
    assert {address for address in found if not allowed.fullmatch(address)} == set()
    assert set(re.findall(r'"accountId":"([0-9]+)"', text)) == set(trail.ACCOUNTS)
    assert set(re.findall(r'"accessKeyId":"([A-Z0-9]+)"', text)) == {"AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"}
    assert all(name.endswith("@example.com") for name in re.findall(r"[\w.]+@[\w.]+", text))


def test_each_rule_says_which_class_it_opens() -> None:
    """The truth about opened classes is written by hand; a slip there would be taken for a fault of the calculus."""
    for rule, _ in INGRESS:
        record = TrailGenerator(1)
        groups = record.groups[record.units[0]]
        made = record.made(groups.authorize(groups.group(), [rule]), trail.ALICE, START, record.units[0])
        assert _parse(made).opened_port_classes == ((rule.opens,) if rule.opens else ()), rule
    assert not any(rule.opens for rule, _ in EGRESS)


def test_a_trail_file_lies_where_cloudtrail_puts_it(tmp_path: Path) -> None:
    """A source that goes by AWS's layout would not find the demo's files."""
    path = trail_path(tmp_path, Unit("111122223333", "eu-west-1"), datetime(2026, 1, 31, 23, 55, tzinfo=UTC), "AbCdEfGhIjKlMn09")
    expected = (
        "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/31/111122223333_CloudTrail_eu-west-1_20260131T2355Z_AbCdEfGhIjKlMn09.json.gz"
    )
    assert path.relative_to(tmp_path).as_posix() == expected


def test_a_trail_file_is_one_line_in_awss_key_order_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """A fast reader takes `{"Records":[{"eventVersion":"` for granted; a part file left behind would be read as broken."""
    made = list(TrailGenerator(5).records(40, START, START + HOUR, 0.5))
    path = write_trail_file(tmp_path / "deep" / "a.json.gz", [item.record for item in made])
    data = gzip.decompress(path.read_bytes())
    assert data.startswith(b'{"Records":[{"eventVersion":"1.')
    assert data.endswith(b"}]}")
    assert b"\n" not in data
    assert data.count(b'},{"eventVersion":"') == 39
    assert json.loads(data)["Records"] == [item.record for item in made]
    assert list(path.parent.iterdir()) == [path]
    again = write_trail_file(tmp_path / "b.json.gz", [item.record for item in made])
    assert again.read_bytes() == path.read_bytes()


def test_the_story_opens_bursts_widens_is_denied_and_closes() -> None:
    """The demo would run for ever without anything to see on its dashboard."""
    clock = iter(START + timedelta(seconds=3 * number) for number in range(1000))
    times: list[datetime] = []

    def now() -> datetime:
        times.append(next(clock))
        return times[-1]

    chapters = list(islice(story(TrailGenerator(1), now), 24))
    for (title, batch), at in zip(chapters, times, strict=True):
        assert batch, title
        assert all(at - timedelta(seconds=10) <= made.truth.event_time <= at for made in batch), title
    told = dict(chapters)
    assert len(chapters) > len(told) == 7
    opening = told["alice opens tcp 22 to 0.0.0.0/0 by hand"][-1].truth
    assert (opening.opened, opening.principal) == (("admin",), "sso/AdministratorAccess")
    assert sum(made.truth.change for made in told["a pipeline changes thirty things at once"]) >= 30
    assert _parse(told["a database is opened by two halves of the internet"][-1]).opened_port_classes == ("database",)
    (widened,) = _parse(told["a rule for the office is widened in place"][-1]).rule_changes
    assert (widened.action, widened.rule.peer) == (RuleAction.MODIFIED, "0.0.0.0/0")
    assert all(made.truth.outcome is Outcome.DENIED for made in told["someone tries what they may not"][-6:])
    assert told["tcp 22 is closed again"][-1].truth.security_groups == chapters[3][1][-1].truth.security_groups
    assert told["tcp 22 is closed again"][-1].truth.event_name == "RevokeSecurityGroupIngress"


def test_the_demo_writes_an_hour_of_past_and_goes_on_until_stopped(tmp_path: Path) -> None:
    """The demo would start with empty pages, or its thread would outlive it."""
    stop = threading.Event()
    writer = threading.Thread(target=trail.run, args=(tmp_path, stop, 0.01, 1, lambda: START))
    writer.start()
    wanted = 12 * 4 + 8
    while writer.is_alive() and sum(1 for _ in tmp_path.rglob("*.json.gz")) < wanted:
        stop.wait(0.01)
    stop.set()
    writer.join(timeout=10)
    assert not writer.is_alive()
    files = list(tmp_path.rglob("*.json.gz"))
    assert len(files) >= wanted
    times = [record["eventTime"] for path in files for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]]
    assert min(times) == "2026-01-31T10:00:00Z"
    assert max(times) <= "2026-01-31T11:00:00Z"


def test_the_demo_that_is_stopped_at_once_ends_at_once(tmp_path: Path) -> None:
    """Ctrl-C during the first second would hang."""
    stop = threading.Event()
    stop.set()
    trail.run(tmp_path, stop, 60, 1, lambda: START)
    assert sum(1 for _ in tmp_path.rglob("*.json.gz")) <= 4
