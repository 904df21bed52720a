"""The commands of docs/operations.md, run as they stand there with the AWS command line, in the sandbox."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

import exporter as exporter_package
from exporter.config import validate
from exporter.iam import FORMATS, choose
from sandbox.server import Sandbox, Settings
from tests.sandbox_client import ACCOUNT, KEY, REGION, client

pytestmark = pytest.mark.e2e


@pytest.fixture
def page(repository):
    """Return the page."""
    return (repository / "docs" / "operations.md").read_text(encoding="utf-8")


def section(page, heading):
    """Return what stands under a heading."""
    return page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def blocks(text, language):
    """Return the blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def sandbox():
    """Serve a sandbox whose roads move when the test says."""
    with Sandbox(Settings(delay=timedelta(0), bus_delay=timedelta(0), deliver=False)) as running:
        yield running


@pytest.fixture
def environment(sandbox, program):
    """Return an environment in which the AWS command line and the exporter reach the sandbox alone."""
    program("aws")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    nowhere = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
    return {
        **kept, **nowhere, "AWS_ENDPOINT_URL": sandbox.url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": "",
    }  # fmt: skip


def shell(script, environment, directory):
    """Run a script; every command of it must succeed."""
    # Version 1 of the command line asks AWS itself for queues, whatever AWS_ENDPOINT_URL says.
    script = 'aws() { command aws "$@" --endpoint-url "$AWS_ENDPOINT_URL"; }\n' + script
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=environment, cwd=directory, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def exporter(environment, directory, config, *arguments):
    """Run the exporter on a configuration."""
    (directory / "exporter.yml").write_text(yaml.safe_dump({**config, "store": {"path": str(directory / "state.db")}}))
    command = [sys.executable, "-m", "exporter", *arguments, "--config.file", str(directory / "exporter.yml")]
    own = {"PYTHONPATH": str(Path(exporter_package.__file__).parent.parent)}
    return subprocess.run(command, env=environment | own, cwd=directory, capture_output=True, text=True, check=False)


def test_both_roads_of_queues_are_set_up_by_the_commands_of_the_page(page, sandbox, environment, tmp_path):
    """Otherwise somebody copies commands that make a queue to which nothing comes."""
    script = "\n".join(
        blocks(section(page, "Set up a trail bucket with a queue"), "bash") + blocks(section(page, "Set up EventBridge"), "bash")
    )
    shell(script, environment, tmp_path)
    client(sandbox, "ec2").create_security_group(GroupName="web", Description="web")
    sandbox.deliver_events()
    sandbox.deliver_files()
    config = yaml.safe_load(blocks(section(page, "Which road for whom"), "yaml")[0])
    for source in config["sources"]:
        source["queue_url"] = source["queue_url"].replace("https://sqs.us-east-1.amazonaws.com", sandbox.url)
        source |= {"region": REGION, "wait_time": "1s"}
    examined = exporter(environment, tmp_path, config, "doctor", "--format", "json")
    wrong = [finding for finding in json.loads(examined.stdout)["findings"] if finding["status"] in ("failure", "warning")]
    # Neither AWS Config nor an hour for the first digest is part of the commands.
    assert [finding for finding in wrong if finding["check"] != "aws_config" and not finding["subject"].endswith("digests")] == []
    assert exporter(environment, tmp_path, config, "poll").returncode == 0
    shown = exporter(environment, tmp_path, config, "history", "--event-name", "CreateSecurityGroup", "--format", "json")
    [event] = [json.loads(line) for line in shown.stdout.splitlines()] if shown.stdout.startswith("{") else json.loads(shown.stdout)
    assert event["sources"] == ["eventbridge", "s3"]


def test_delegation_and_stack_set_are_commands_that_aws_knows(page, sandbox, environment, tmp_path):
    """Otherwise the roles of an organization cannot be made as the page says."""
    organizations = client(sandbox, "organizations")
    organizations.create_organization(FeatureSet="ALL")
    organizations.create_account(Email="audit@example.com", AccountName="audit")
    [audit] = [account["Id"] for account in organizations.list_accounts()["Accounts"] if account["Id"] != ACCOUNT]
    text = section(page, "Many accounts and regions")
    config = yaml.safe_load(blocks(text, "yaml")[0])
    template = FORMATS["cloudformation"]((choose(validate(config, "page"), "member"),), f"arn:aws:iam::{ACCOUNT}:role/exporter")
    (tmp_path / "member.yml").write_text(template)
    delegation, stack_set = blocks(text, "bash")
    shell(delegation.replace("444455556666", audit), environment, tmp_path)
    assert [item["Id"] for item in organizations.list_delegated_administrators()["DelegatedAdministrators"]] == [audit]
    unit = organizations.list_roots()["Roots"][0]["Id"]
    shell(f"export REGION={REGION}\n" + stack_set.replace("r-examplerootid111", unit), environment, tmp_path)
    [made] = client(sandbox, "cloudformation").list_stack_sets()["Summaries"]
    assert made["StackSetName"] == "aws-change-exporter"


def part(page, heading):
    """Return what stands under a heading of the section on what stands open."""
    return section(page, "What stands open").split(f"\n### {heading}\n", 1)[1].split("\n### ", 1)[0]


def test_the_aggregator_is_made_by_the_commands_of_the_page_and_read_by_its_configuration(page, sandbox, environment, tmp_path):
    """Otherwise an organization that follows the page has an aggregator that the exporter does not find, or no permission to ask it."""
    client(sandbox, "organizations").create_organization(FeatureSet="ALL")
    [commands], [shown] = (blocks(part(page, "An organization, by an aggregator"), language) for language in ("bash", "yaml"))
    # The sandbox has no policies of AWS's own.
    managed, document = (
        "arn:aws:iam::aws:policy/service-role/AWSConfigRoleForOrganizations",
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "organizations:List*", "Resource": "*"}]},
    )
    made = client(sandbox, "iam").create_policy(PolicyName="AWSConfigRoleForOrganizations", PolicyDocument=json.dumps(document))
    assert managed in commands
    shell(f"export ACCOUNT={ACCOUNT} REGION={REGION}\n" + commands.replace(managed, made["Policy"]["Arn"]), environment, tmp_path)
    config = yaml.safe_load(shown) | {"sources": [{"type": "cloudtrail", "regions": [REGION]}]}
    examined = json.loads(exporter(environment, tmp_path, config, "doctor", "--format", "json").stdout)["findings"]
    [aggregator] = [finding for finding in examined if finding["subject"].startswith("aggregator all")]
    assert aggregator["status"] == "ok", aggregator


def test_the_pipeline_of_the_page_fails_where_something_is_open_and_passes_where_it_is_excepted(page, sandbox, environment, tmp_path):
    """Otherwise somebody copies a check that lets everything pass, or that never does."""
    shown, workflow = (yaml.safe_load(block) for block in blocks(part(page, "In a pipeline"), "yaml"))
    runs = {step["name"]: step["run"].split() for step in workflow["jobs"]["check"]["steps"] if "name" in step}

    def step(name, config):
        program, *arguments = runs[name]
        assert (program, arguments[arguments.index("--config.file") + 1]) == ("aws-change-exporter", "check.yml")
        return exporter(environment, tmp_path, config, *(word for word in arguments if word not in ("--config.file", "check.yml")))

    ec2 = client(sandbox, "ec2")
    group = ec2.create_security_group(GroupName="web", Description="web")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="0.0.0.0/0")
    failed = step("Check", shown)
    assert (failed.returncode, "open to the internet and not excepted: 1 rule;" in failed.stderr) == (2, True), failed.stderr
    assert group in step("List", shown).stdout
    ec2.create_tags(Resources=[group], Tags=[{"Key": "exposure", "Value": "public"}])
    passed = step("Check", shown)
    assert passed.returncode == 0, passed.stderr
    assert group not in step("List", shown).stdout


def test_the_exceptions_of_the_page_are_those_that_it_tells_of(page, tmp_path):
    """Otherwise the worked example is refused, or covers another port."""
    [shown] = blocks(part(page, "What may stand open"), "yaml")
    web, partner = validate(yaml.safe_load(shown), "page").posture.exceptions
    assert (web.expires.isoformat(), partner.expires.isoformat()) == ("2027-02-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00")
    assert (web.ports, partner.ports) == (("80", "443"), ("22",))


def test_what_to_ask_at_night_are_commands_that_aws_knows(page, sandbox, environment, tmp_path):
    """Otherwise the person on call meets an error in the one moment that counts."""
    group = client(sandbox, "ec2").create_security_group(GroupName="web", Description="web")["GroupId"]
    names, trail, *_ = blocks(section(page, "Set up a trail bucket with a queue"), "bash")
    [night] = blocks(part(page, "Changes that nobody explains"), "bash")
    shell("\n".join((names, trail, f"export GROUP={group}", night)), environment, tmp_path)


def test_the_pattern_of_the_rule_has_every_event_source_that_is_watched_by_default(page):
    """Otherwise the fast road leaves out changes that the exporter watches."""
    from exporter.catalog import DEFAULT_WATCH_SETS, Watch

    wanted = {source for source, _ in Watch(DEFAULT_WATCH_SETS, ()).names()}
    text = section(page, "Set up EventBridge")
    listed = re.findall(r'"?eventSource"?\s*[:=]\s*(\[.*?\])', text)
    assert len(listed) == 2
    for item in listed:
        assert set(json.loads(item)) == wanted
