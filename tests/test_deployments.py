"""Templates and modules for AWS: valid, the same in both languages, and no wider than the product's own policies."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from exporter.aws.operations import OPERATIONS
from exporter.catalog import DEFAULT_WATCH_SETS, WATCH_SETS
from exporter.catalog.watch import Watch
from tests.deployments import hcl
from tests.deployments.cases import NAMES, cases, module_path, template_path, variables
from tests.deployments.cloudformation import Template, load
from tests.deployments.shapes import of_module, of_template
from tests.deployments.terraform import Module
from tests.repository import ROOT
from tools import page_deployments
from tools.page_deployments import LONGEST_PATTERN, MODULES, TEMPLATES, exporter_statements, pattern, snake, template

FILES = sorted((ROOT / MODULES).glob("*/*.tf"))


def test_cfn_lint_finds_nothing():
    """Otherwise CloudFormation refuses a template that we ship, in front of whoever sets the exporter up."""
    paths = [str(template_path(name)) for name in NAMES]
    assert sorted(paths) == sorted(map(str, (ROOT / TEMPLATES).glob("*.yaml")))
    program = Path(sys.executable).with_name("cfn-lint")
    # Informational findings count too.
    done = subprocess.run([program, "--include-checks", "I", "--", *paths], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_terraform_is_hcl(path):
    """Otherwise Terraform stops at the first line that only our own reader understands."""
    if importlib.util.find_spec("hcl2") is None:
        message = "python-hcl2 is not installed; `make lock` and `make test` bring it"
        if os.environ.get("CI", "") not in ("", "0", "false"):
            pytest.fail(message)
        pytest.skip(message)
    import hcl2

    assert hcl2.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_a_module_makes_what_the_template_makes(name):
    """Otherwise what was tried with CloudFormation is another thing with Terraform: a policy without its condition, a queue without encryption."""
    tried = 0
    for parameters in cases(name):
        made = Template(template_path(name), parameters)
        module = Module(module_path(name), variables(parameters))
        refused = made.refusals()
        assert bool(refused) == bool(module.refusals()), parameters
        if refused:
            continue
        tried += 1
        assert of_module(module.resources()) == of_template(made.resources()), parameters
        assert module.outputs() == {snake(output): value for output, value in made.outputs().items()}, parameters
    assert tried


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_same_in_both_languages(name):
    """Otherwise one language has a switch, a default or a check that the other has not."""
    parameters = load(template_path(name))["Parameters"]
    declared = Module(module_path(name), {}).declared
    assert {snake(parameter) for parameter in parameters} == set(declared)
    for parameter, about in parameters.items():
        block = declared[snake(parameter)]
        module = Module(module_path(name), {})
        assert ("Default" in about) == ("default" in block.attributes), parameter
        if "Default" in about:
            assert module.variable(snake(parameter)) == variables({parameter: about["Default"]})[snake(parameter)]
        assert bool(about.get("AllowedPattern") or about.get("AllowedValues", ["true"])[0] not in ("true", "false")) == bool(
            block.within("validation")
        ), parameter


def statements(made):
    """Yield every statement of the policies of resources, and the resource's logical id."""
    for logical, (_, properties) in made.resources().items():
        documents = [properties.get(name) for name in ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument")]
        documents += [one["PolicyDocument"] for one in properties.get("Policies", [])]
        if "Statement" in properties:
            documents.append({"Statement": [properties["Statement"]]})
        for document in documents:
            for one in (document or {}).get("Statement", []):
                yield logical, one


@pytest.mark.parametrize("name", NAMES)
def test_no_service_and_nobody_outside_may_send_for_anybody(name):
    """Otherwise somebody else's bucket, topic or rule fills the queue with changes that never were."""
    bound = {"aws:SourceArn", "aws:SourceAccount", "aws:SourceOrgID", "aws:PrincipalOrgID", "sts:ExternalId"}
    for parameters in cases(name):
        made = Template(template_path(name), parameters)
        if made.refusals():
            continue
        for logical, one in statements(made):
            principal = one.get("Principal")
            if one["Effect"] != "Allow" or principal is None:
                continue
            if principal in ({"Service": "ec2.amazonaws.com"}, {"AWS": "arn:aws:iam::111122223333:root"}):
                continue
            keys = {key for block in one["Condition"].values() for key in block}
            assert keys & bound, (logical, one)
            assert all(value for block in one["Condition"].values() for value in block.values()), (logical, one)


@pytest.mark.parametrize("name", ["events", "trail-files"])
def test_queues_are_encrypted_keep_messages_and_set_poison_aside(name):
    """Otherwise records lie readable, are gone after four days, or one that is not understood comes back for ever."""
    for parameters in cases(name):
        made = Template(template_path(name), parameters)
        if made.refusals():
            continue
        resources = made.resources()
        queues = {logical: properties for logical, (kind, properties) in resources.items() if kind == "AWS::SQS::Queue"}
        assert set(queues) == {"Queue", "DeadLetters"}
        for queue in queues.values():
            assert (queue.get("SqsManagedSseEnabled") is True) != ("KmsMasterKeyId" in queue)
            assert queue["MessageRetentionPeriod"] == 14 * 24 * 60 * 60
        assert queues["Queue"]["RedrivePolicy"]["maxReceiveCount"] == 10
        plain = [one for _, one in statements(made) if one["Effect"] == "Deny"]
        assert len(plain) >= 2
        assert all(one["Condition"] == {"Bool": {"aws:SecureTransport": "false"}} for one in plain)


def allowed(document):
    """Return the actions that a policy allows, with their resources."""
    return {(action, json.dumps(one["Resource"])) for one in document["Statement"] for action in one["Action"]}


def test_the_exporter_is_granted_only_what_it_calls():
    """Otherwise a template gives more than the program can use, and a review of operations.py is no review of what was granted."""
    known = {operation.action for operation in OPERATIONS} | {"kms:Decrypt"}
    granted = set()
    for parameters in cases("exporter"):
        made = Template(template_path("exporter"), parameters).resources()["Policy"][1]["PolicyDocument"]
        sids = [one["Sid"] for one in made["Statement"]]
        assert len(sids) == len(set(sids))
        granted |= {action for action, _ in allowed(made)}
    member = Template(template_path("member"), next(cases("member"))).resources()["Role"][1]["Policies"][0]["PolicyDocument"]
    granted |= {action for action, _ in allowed(member)}
    assert granted <= known
    # What only `history`, Athena or an aggregator asks is not in it; docs/aws-setup.md says so.
    assert {action.split(":")[0] for action in known - granted} <= {"athena", "config", "sts"}
    assert all(action.split(":")[1].startswith(("Describe", "Get", "List", "Lookup", "Select")) for action, _ in allowed(member))


def test_what_the_templates_grant_is_what_iam_policy_prints(tmp_path):
    """Otherwise the two ways to set permissions up drift apart."""
    from exporter.config import validate
    from exporter.iam import principals

    queue = "https://sqs.us-east-1.amazonaws.com/111122223333/aws-change-exporter-{}"
    config = validate(
        {
            "sources": [
                {"type": "cloudtrail"},
                {"type": "eventbridge", "queue_url": queue.format("events")},
                {"type": "s3", "queue_url": queue.format("trail-files"), "bucket": "example-trail"},
            ],
            "aws": {"regions": ["all"], "organization": {"role_name": "ops/aws-change-exporter"}},
        },
        "test.yml",
    )
    parameters = {
        "EventsQueueArn": "arn:aws:sqs:us-east-1:111122223333:aws-change-exporter-events",
        "TrailQueueArn": "arn:aws:sqs:us-east-1:111122223333:aws-change-exporter-trail-files",
        "TrailBucket": "example-trail",
        "MemberRoleName": "ops/aws-change-exporter",
    }

    def flat(document):
        return {
            (action, resource, json.dumps(one.get("Condition")))
            for one in document["Statement"]
            for action in one["Action"]
            for resource in one["Resource"]
        }

    found = {principal.name: flat(principal.policy()) for principal in principals(config)}
    assert flat(Template(template_path("exporter"), parameters).resources()["Policy"][1]["PolicyDocument"]) == found["hub"]
    member = Template(template_path("member"), next(cases("member"))).resources()["Role"][1]["Policies"][0]
    assert flat(member["PolicyDocument"]) == found["member"]


def test_the_pattern_has_every_watched_call_and_fits():
    """Otherwise a call that is watched never comes by the fast road, or EventBridge refuses the rule."""
    made = pattern()
    watch = Watch(DEFAULT_WATCH_SETS)
    assert {name for _, name in watch.names()} == set(made["detail"]["eventName"])
    assert {source for source, _ in watch.names()} == set(made["detail"]["eventSource"])
    assert len(json.dumps(made)) <= LONGEST_PATTERN
    assert len(WATCH_SETS) > len(DEFAULT_WATCH_SETS)


def test_a_template_that_lags_behind_the_code_is_noticed(tmp_path):
    """Otherwise a permission that the code begins to need is missing in what people deploy."""
    path = template_path("member")
    text = path.read_text(encoding="utf-8")
    assert template(path) == text
    stale = tmp_path / "member.yaml"
    stale.write_text(re.sub(r"^ *- cloudtrail:LookupEvents\n", "", text, flags=re.MULTILINE))
    assert template(stale) == text != stale.read_text()
    marks = re.findall(r"BEGIN generated: (.+)", "".join(template_path(name).read_text() for name in NAMES))
    assert set(marks) == set(page_deployments.PIECES)
    assert [name for name, _ in exporter_statements()].count("OwnAccount") > 3
    assert yaml.safe_load(page_deployments.PIECES["watched calls"]()) == {"EventPattern": pattern()}


PAGE = (ROOT / "docs/aws-setup.md").read_text(encoding="utf-8")


def test_modules_on_the_page_are_called_with_what_they_take():
    """Otherwise the first thing that a reader copies is refused by Terraform."""
    called = [block for text in re.findall(r"```hcl\n(.*?)```", PAGE, re.DOTALL) for block in hcl.read(text)]
    seen = set()
    for block in called:
        given = dict(block.attributes)
        kind, (source,) = given.pop("source")
        assert kind == "template"
        declared = Module(ROOT / source, {}).declared
        required = {name for name, one in declared.items() if "default" not in one.attributes}
        assert required <= set(given) - {"providers"} <= set(declared), block.words
        seen.add(Path(source).name)
    assert seen == set(NAMES)


def test_commands_on_the_page_give_parameters_that_templates_take():
    """Otherwise the first command of the page fails."""
    texts = [text.replace("\\\n", " ") for text in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)]
    tried = set()
    for command in (one for text in texts for one in re.split(r"\n(?=aws )", text)):
        named = re.search(r"(?:--template-file |file://)(\S+)\.yaml", command)
        if named is None:
            continue
        given = dict(re.findall(r"(?<= )([A-Z]\w+)=(\S+)", command.partition("--parameter-overrides")[2]))
        given |= dict(re.findall(r"ParameterKey=(\w+),ParameterValue=(\S+)", command))
        made = Template(template_path(named[1]), given)
        assert made.refusals() == []
        capable = any(kind.startswith("AWS::IAM::") for kind, _ in made.resources().values())
        assert capable == ("CAPABILITY_NAMED_IAM" in command), command
        tried.add(named[1])
    assert tried == set(NAMES)
