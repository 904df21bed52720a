"""From a call of boto3 to what the person reads: sandbox, exporter, Prometheus with all rules, Alertmanager with the shipped example."""

from __future__ import annotations

import html
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from click.testing import CliRunner

from exporter.cli import main
from exporter.rules import ALERTS
from sandbox.identities import Identity
from sandbox.server import Sandbox, Settings
from tests.alertmanager import TEMPLATES, quick
from tests.e2e.conftest import Stack, get, wait_until, webhooks
from tests.sandbox_client import ACCOUNT, KEY

pytestmark = pytest.mark.e2e

SSH, LIST, WEB = "us-east-1", "eu-central-1", "eu-west-1"
"""One region for each severity, so that no incident is part of another."""
BOB, DEPLOY = "AKIAIOSFODNN8EXAMPLE", "AKIAIOSFODNN9EXAMPLE"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
EVERYONE = "0.0.0.0/0"
RUNBOOKS = "https://runbooks.example.com/aws"

# Two clocks of the rules are quicker than they are shipped: how long something must stand open, and how far back calls are counted
# of which only those count that came after the account was first watched.
THRESHOLDS = {"AwsChangeOpenIngress": {"hold": "1s"}, "AwsChangePrefixListChanged": {"window": "10s"}}


class Watch(Stack):
    """The stack, reading Event history and what stands from a sandbox, with all rules and the routes of the example."""

    def _exporter_config(self) -> dict[str, Any]:
        return {
            "store": {"path": str(self.directory / "state.db")},
            "aws": {"regions": [SSH, LIST, WEB]},
            "sources": [{"type": "cloudtrail", "poll_interval": "1s", "backfill": "0s"}],
            "posture": {"poll_interval": "2s"},
            "metrics": {"birth_hold": "2s"},
            "web": {"external_url": f"http://{self.exporter_address}"},
            "alerts": {"runbook_url": RUNBOOKS, "thresholds": THRESHOLDS},
        }

    def _prometheus_config(self) -> dict[str, Any]:
        rules = self.directory / "alerts.yml"
        printed = CliRunner().invoke(main, ["rules", "--config.file", str(self.directory / "exporter.yml")], catch_exceptions=False)
        rules.write_text(printed.stdout)
        return {**super()._prometheus_config(), "rule_files": [str(rules)]}

    def _alertmanager_config(self) -> dict[str, Any]:
        config = yaml.safe_load((self._repository / "deploy/prometheus/alertmanager.yml").read_text())
        quick(config["route"])
        config["receivers"] = webhooks(config["receivers"], self.webhook.url)
        config["templates"] = [str(TEMPLATES)]
        return dict(config)

    def told(self, receiver: str, *, account_id: str = ACCOUNT, region: str) -> list[dict[str, Any]]:
        """Return the messages that a receiver got about an account and region, in order."""
        about = {"account_id": account_id, "region": region}
        return [
            body
            for path, body in self.webhook.posts()
            if path == f"/{receiver}" and about.items() <= {**body["commonLabels"], **body["groupLabels"]}.items()
        ]


@dataclass(frozen=True, slots=True)
class Estate:
    """What runs; the sandbox's AWS as somebody may use it, by service, region and access key; and the group of a machine in SSH."""

    watch: Watch
    client: Callable[..., Any]
    group: str

    def firing(self, receiver: str, name: str, region: str) -> dict[str, Any] | None:
        """Return the alert of that name in the latest message of a receiver about a region."""
        for body in reversed(self.watch.told(receiver, region=region)):
            for alert in body["alerts"]:
                if alert["status"] == "firing" and alert["labels"]["alertname"] == name:
                    return dict(alert)
        return None


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, repository: Path, program: Callable[[str], Path]) -> Iterator[Estate]:
    """Run everything once, on an account with a trail and, in the region of ssh, a machine with a public address."""
    people = {
        BOB: Identity(ACCOUNT, "user", "bob", console=True, source_ip="203.0.113.7"),
        DEPLOY: Identity(ACCOUNT, "role", "Deploy", "ci-run-42"),
    }
    settings = Settings(delay=timedelta(0), identities=people)
    with Sandbox(settings) as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": sandbox.url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": "example", "AWS_DEFAULT_REGION": SSH,
            "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }.items():  # fmt: skip
            patch.setenv(name, value)

        def client(service: str, region: str, key: str = KEY) -> Any:
            made = boto3.client(service, region_name=region, aws_access_key_id=key, aws_secret_access_key="example")
            if key == BOB:
                made.meta.events.register("before-sign", in_a_browser)
            return made

        client("s3", SSH).create_bucket(Bucket="example-trail")
        trail = client("cloudtrail", SSH)
        trail.create_trail(Name="main-trail", S3BucketName="example-trail", IsMultiRegionTrail=True, EnableLogFileValidation=True)
        trail.start_logging(Name="main-trail")
        group = machine(client("ec2", SSH))
        time.sleep(2.5)  # CloudTrail's clock has whole seconds: what was made must lie before the source first goes live.
        watch = Watch(tmp_path_factory.mktemp("incident"), repository, program)
        try:
            watch.start()
            for region in (SSH, LIST, WEB):
                of = f'{{account_id="{ACCOUNT}",region="{region}"}}'
                wait_until(lambda of=of: watch.value(f"sum(awschange_ingress_opened_total{of})") == 0, f"{region} is counted")
                wait_until(lambda of=of: watch.query(f"awschange_security_groups{of}"), f"what stands in {region} is known")
            yield Estate(watch, client, group)
        finally:
            watch.close()


def in_a_browser(request: Any, **_: Any) -> None:
    """Let a call bear the agent of a browser, by which the console is told from a script."""
    request.headers["User-Agent"] = BROWSER


def machine(ec2: Any) -> str:
    """Start a machine with a public address, and return its group."""
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="bastion", Description="bastion", VpcId=vpc)["GroupId"]
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": True, "SubnetId": subnet, "Groups": [group]}
    ec2.run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, NetworkInterfaces=[interface])
    return str(group)


def opens(port: int) -> list[dict[str, Any]]:
    """Return a rule that opens a port to the internet."""
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": EVERYONE}]}]


def acts_at_once(alert: dict[str, Any], repository: Path) -> str:
    """Check what every page must have, and return the history page that it links to, as text."""
    texts = alert["annotations"]
    name = alert["labels"]["alertname"]
    assert texts["summary"].endswith(".")
    assert texts["runbook_url"] == f"{RUNBOOKS}/{name}.md"
    assert (repository / "docs/runbooks" / f"{name}.md").is_file()
    begun = datetime.fromisoformat(alert["startsAt"])
    assert abs(datetime.now(UTC) - begun) < timedelta(minutes=2)
    # `get` fails where the answer is not 200.
    return html.unescape(get(texts["history_url"]).decode())


def test_ssh_opened_to_the_world_is_one_page_that_names_who_what_and_where(estate: Estate, repository: Path) -> None:
    """Critical: an opening by a person at the console, found by its event and by what stands; both are one incident."""
    group = estate.group
    estate.client("ec2", SSH, BOB).authorize_security_group_ingress(GroupId=group, IpPermissions=opens(22))

    page = wait_until(lambda: estate.firing("pager", "AwsChangeIngressOpened", SSH), "the opening pages")
    assert page["labels"] == {
        "alertname": "AwsChangeIngressOpened", "account_id": ACCOUNT, "region": SSH, "port_class": "admin", "severity": "critical"
    }  # fmt: skip
    texts = page["annotations"]
    assert f"Account {ACCOUNT}, region {SSH}" in texts["description"]
    assert "class admin (1 time" in texts["description"]
    # Its series is still held at its birth: the first page has the names all the same.
    assert texts["who"] == "user/bob (1) in 15m"
    assert texts["what"] == f"AuthorizeSecurityGroupIngress on {group} (1) in 15m"
    shown = acts_at_once(page, repository)
    for part in (group, "AuthorizeSecurityGroupIngress", "user/bob", EVERYONE, "203.0.113.7"):
        assert part in shown, part

    standing = wait_until(lambda: estate.firing("pager", "AwsChangeOpenIngress", SSH), "that it stands open joins the page")
    assert standing["labels"]["security_group_id"] == group
    assert standing["annotations"]["what"].startswith(f"AuthorizeSecurityGroupIngress on {group} (1)")
    assert group in acts_at_once(standing, repository)

    by_hand = f'ALERTS{{alertname="AwsChangeByHand",region="{SSH}"}}'
    wait_until(lambda: estate.watch.query(by_hand), "that it was done by hand fires too")
    pages = estate.watch.told("pager", region=SSH)
    assert len({body["groupKey"] for body in pages}) == 1
    assert {alert["labels"]["alertname"] for alert in pages[-1]["alerts"]} == {"AwsChangeIngressOpened", "AwsChangeOpenIngress"}
    assert estate.watch.told("reading", region=SSH) == []


def test_a_changed_prefix_list_is_a_ticket_that_names_who_what_and_where(estate: Estate, repository: Path) -> None:
    """Warning: every rule that names the list lets in something else now, and no group changed."""
    ec2 = estate.client("ec2", LIST, DEPLOY)
    made = ec2.create_managed_prefix_list(PrefixListName="offices", MaxEntries=5, AddressFamily="IPv4")["PrefixList"]
    ec2.modify_managed_prefix_list(
        PrefixListId=made["PrefixListId"], CurrentVersion=made["Version"], AddEntries=[{"Cidr": "198.51.100.0/24"}]
    )
    ticket = wait_until(lambda: estate.firing("tickets", "AwsChangePrefixListChanged", LIST), "the ticket is sent")
    assert ticket["labels"]["severity"] == "warning"
    texts = ticket["annotations"]
    assert f"Account {ACCOUNT}, region {LIST}" in texts["description"]
    assert "ModifyManagedPrefixList (1)" in texts["what"]
    assert "role/Deploy" in texts["who"]
    shown = acts_at_once(ticket, repository)
    for part in (made["PrefixListId"], "ModifyManagedPrefixList", "role/Deploy", "198.51.100.0/24"):
        assert part in shown, part
    assert estate.watch.told("pager", region=LIST) == []


def test_web_ports_opened_by_hand_are_one_message_to_read(estate: Estate, repository: Path) -> None:
    """Info: it wakes nobody, and still says who did what where."""
    ec2 = estate.client("ec2", WEB, BOB)
    group = ec2.create_security_group(GroupName="site", Description="site")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=opens(443))
    read = wait_until(lambda: estate.firing("reading", "AwsChangeWebIngressOpened", WEB), "the message is sent")
    assert read["labels"]["severity"] == "info"
    assert read["labels"]["port_class"] == "web"
    assert f"Account {ACCOUNT}, region {WEB}" in read["annotations"]["description"]
    assert "user/bob" in read["annotations"]["who"]
    assert f"AuthorizeSecurityGroupIngress on {group} (1)" in read["annotations"]["what"]
    shown = acts_at_once(read, repository)
    for part in (group, "AuthorizeSecurityGroupIngress", "user/bob", EVERYONE):
        assert part in shown, part
    assert estate.firing("reading", "AwsChangeByHand", WEB) is not None
    assert len({body["groupKey"] for body in estate.watch.told("reading", region=WEB)}) == 1
    assert estate.watch.told("pager", region=WEB) == []


def test_every_severity_has_its_page_here() -> None:
    """A severity without an end-to-end page could be routed to nobody."""
    named = {"AwsChangeIngressOpened": "critical", "AwsChangePrefixListChanged": "warning", "AwsChangeWebIngressOpened": "info"}
    assert {alert.name: alert.severity for alert in ALERTS if alert.name in named} == named
