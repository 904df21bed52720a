"""The forms in which `iam-policy` writes, each read back."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.aws import Permission
from exporter.errors import ConfigError
from exporter.iam import FORMATS
from exporter.iam.documents import check_hub, size
from exporter.iam.principals import HUB, MEMBER, Principal, Trust, statements
from exporter.iam.terraform import quoted
from tests import hcl

HUB_ARN = "arn:aws:iam::111122223333:role/exporter"
ROLE = "arn:aws:iam::444455556666:role/ops/aws-change-exporter"
NASTY = 'a"b\\c\n${jsonencode("x")} %{ if true } {{ x }} — é\u2028 $${y} \x07'


def needed(*more):
    return [Permission("cloudtrail:LookupEvents", ("*",), "Read Event history", MEMBER), *more]


def member(external_id="", **changes):
    policy = statements(needed())
    return Principal(MEMBER, policy, changes.pop("roles", (ROLE,)), changes.pop("trusts", (Trust(HUB, external_id),)), **changes)


def hub():
    return Principal(HUB, statements([Permission("sts:AssumeRole", (ROLE,), "Assume roles")]))


def test_permissions_become_one_statement_for_each_purpose_and_resource():
    """Otherwise a reviewer cannot tell which action is for what."""
    made = statements([
        Permission("sqs:ReceiveMessage", ("arn:aws:sqs:us-east-1:111122223333:trail",), "Read the queue (of 's3')"),
        Permission("sqs:DeleteMessage", ("arn:aws:sqs:us-east-1:111122223333:trail",), "Read the queue (of 's3')"),
        Permission("s3:GetObject", ("arn:aws:s3:::logs/AWSLogs/*",), "Read the queue (of 's3')"),
        Permission("s3:ListBucket", ("arn:aws:s3:::logs",), "List", condition=(("StringLike", "s3:prefix", ("AWSLogs/*",)),)),
    ])  # fmt: skip
    assert [statement.document() for statement in made] == [
        {"Sid": "ReadTheQueueOfS3", "Effect": "Allow", "Action": ["sqs:DeleteMessage", "sqs:ReceiveMessage"], "Resource": ["arn:aws:sqs:us-east-1:111122223333:trail"]},
        {"Sid": "ReadTheQueueOfS32", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::logs/AWSLogs/*"]},
        {"Sid": "List", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::logs"], "Condition": {"StringLike": {"s3:prefix": ["AWSLogs/*"]}}},
    ]  # fmt: skip


def test_what_was_granted_once_is_not_granted_again():
    """Otherwise a policy grows with every source, up to IAM's limit, and says the same many times."""
    made = statements([
        Permission("sqs:GetQueueAttributes", ("arn:1", "arn:2"), "Read"),
        Permission("sqs:GetQueueAttributes", ("arn:2", "arn:3"), "Doctor"),
        Permission("ec2:DescribeRegions", ("*",), "Read"),
        Permission("ec2:DescribeRegions", ("*",), "Doctor"),
        Permission("ec2:DescribeRegions", ("arn:x",), "Doctor"),
    ])  # fmt: skip
    assert [(statement.sid, statement.actions, statement.resources) for statement in made] == [
        ("Read", ("sqs:GetQueueAttributes",), ("arn:1", "arn:2")),
        ("Doctor", ("sqs:GetQueueAttributes",), ("arn:3",)),
        ("Read2", ("ec2:DescribeRegions",), ("*",)),
    ]


def test_one_policy_stands_alone_and_several_by_name():
    """Otherwise the usual case is no policy that IAM takes, or the other one is two documents in one file."""
    alone = json.loads(FORMATS["json"]((hub(),), ""))
    assert alone["Version"] == "2012-10-17"
    assert set(json.loads(FORMATS["json"]((hub(), member()), ""))) == {HUB, MEMBER}


def test_the_trust_policy_names_the_hub_and_asks_for_the_external_id():
    """Otherwise anybody's account could go through the exporter's roles, or the exporter could not."""
    document = json.loads(FORMATS["trust"]((hub(), member("secret-7")), HUB_ARN))
    assert document["Statement"] == [
        {
            "Sid": "AwsChangeExporter",
            "Effect": "Allow",
            "Principal": {"AWS": HUB_ARN},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "secret-7"}},
        }
    ]
    assert "Condition" not in json.loads(FORMATS["trust"]((member(),), HUB_ARN))["Statement"][0]


def test_the_end_of_a_chain_is_trusted_without_being_asked_for_the_hub():
    """Otherwise a person must give an ARN that the configuration has already."""
    chained = member(trusts=(Trust("arn:aws:iam::111122223333:role/middle", ""),))
    assert json.loads(FORMATS["trust"]((chained,), ""))["Statement"][0]["Principal"] == {"AWS": "arn:aws:iam::111122223333:role/middle"}
    assert "Parameters" not in yaml.safe_load(FORMATS["cloudformation"]((chained,), ""))
    assert [header[0] for header, _ in hcl.read(FORMATS["terraform"]((chained,), ""))] == ["resource", "resource"]


def test_without_the_hub_a_trust_policy_says_how_to_learn_it():
    """Otherwise it would trust nobody, or a placeholder that somebody applies."""
    with pytest.raises(ConfigError, match="aws sts get-caller-identity"):
        FORMATS["trust"]((member(),), "")


def test_a_session_of_a_role_is_no_hub_and_the_role_is_named():
    """Otherwise the trust ends with the session whose ARN was copied."""
    with pytest.raises(ConfigError, match=r"write it as arn:aws:iam::111122223333:role/exporter$"):
        check_hub("arn:aws:sts::111122223333:assumed-role/exporter/i-0123456789abcdef0")
    with pytest.raises(ConfigError, match="no ARN"):
        check_hub("*")


def test_roles_with_different_external_ids_are_not_mixed():
    """Otherwise each account accepts the external id of every other."""
    mixed = member(roles=(ROLE, ROLE.replace("4444", "7777")), trusts=(Trust(HUB, "one"), Trust(HUB, "two")))
    for form in ("trust", "terraform", "cloudformation"):
        with pytest.raises(ConfigError, match="different external ids; choose one by its ARN"):
            FORMATS[form]((mixed,), HUB_ARN)


def test_roles_with_different_names_are_not_one_template():
    """Otherwise a StackSet makes a role that the exporter does not ask for."""
    mixed = member(roles=(ROLE, "arn:aws:iam::777788889999:role/other"))
    for form in ("terraform", "cloudformation"):
        with pytest.raises(ConfigError, match=r"2 names \(ops/aws-change-exporter, other\); choose one role by its ARN"):
            FORMATS[form]((mixed,), HUB_ARN)


@pytest.mark.parametrize("form", ["terraform", "cloudformation"])
def test_principals_of_different_accounts_are_not_one_file(form):
    """Otherwise the members' role is made in the hub's account."""
    with pytest.raises(ConfigError, match="choose with --for: hub, member"):
        FORMATS[form]((hub(), member()), HUB_ARN)


def test_cloudformation_makes_the_role_with_trust_and_policy():
    """Otherwise the StackSet leaves something to be done by hand in each account."""
    template = yaml.safe_load(FORMATS["cloudformation"]((member("secret-7", session_seconds=7200),), ""))
    assert set(template) == {"AWSTemplateFormatVersion", "Description", "Parameters", "Resources", "Outputs"}
    assert template["AWSTemplateFormatVersion"] == "2010-09-09"
    role = template["Resources"]["Role"]
    assert role["Type"] == "AWS::IAM::Role"
    assert (role["Properties"]["Path"], role["Properties"]["RoleName"]) == ("/ops/", "aws-change-exporter")
    assert role["Properties"]["MaxSessionDuration"] == 7200
    trust = role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert trust["Principal"] == {"AWS": {"Ref": "HubPrincipalArn"}}
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "secret-7"}}
    assert role["Properties"]["Policies"][0]["PolicyDocument"] == member().policy()
    assert "Default" not in template["Parameters"]["HubPrincipalArn"]
    given = yaml.safe_load(FORMATS["cloudformation"]((member(),), HUB_ARN))
    assert given["Parameters"]["HubPrincipalArn"]["Default"] == HUB_ARN


def test_cloudformation_gives_the_hub_a_policy_to_attach():
    """Otherwise a role would be made beside the one that the exporter runs as."""
    template = yaml.safe_load(FORMATS["cloudformation"]((hub(),), ""))
    assert template["Resources"]["Policy"]["Type"] == "AWS::IAM::ManagedPolicy"
    assert template["Resources"]["Policy"]["Properties"]["PolicyDocument"] == hub().policy()
    # Read as YAML 1.1 the version would be a date, which IAM refuses.
    assert isinstance(template["Resources"]["Policy"]["Properties"]["PolicyDocument"]["Version"], str)


def test_terraform_makes_the_role_with_trust_and_policy():
    """Otherwise what is applied differs from what was shown as JSON."""
    blocks = dict(hcl.read(FORMATS["terraform"]((member("secret-7", session_seconds=7200),), "")))
    role = blocks["resource", "aws_iam_role", "aws_change_exporter"]
    assert (role["path"], role["name"], role["max_session_duration"]) == ("/ops/", "aws-change-exporter", 7200)
    trust = role["assume_role_policy"]["Statement"][0]
    assert trust["Principal"] == {"AWS": "var.hub_principal_arn"}
    assert isinstance(trust["Principal"]["AWS"], hcl.Reference)
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "secret-7"}}
    assert blocks["resource", "aws_iam_role_policy", "aws_change_exporter"]["policy"] == member().policy()
    assert blocks["resource", "aws_iam_role_policy", "aws_change_exporter"]["role"] == "aws_iam_role.aws_change_exporter.id"
    assert "default" not in blocks["variable", "hub_principal_arn"]
    alone = dict(hcl.read(FORMATS["terraform"]((hub(),), "")))
    assert alone["resource", "aws_iam_policy", "aws_change_exporter"]["policy"] == hub().policy()


@given(st.text(max_size=80) | st.just(NASTY) | st.text(alphabet='${%"\\}\n', max_size=12))
def test_terraform_reads_any_text_back_as_it_was(text):
    """Otherwise text of the configuration becomes Terraform that is run, or another resource than was meant."""
    [(_, attributes)] = hcl.read(f"x {{\n  y = {quoted(text)}\n}}\n")
    assert attributes["y"] == text


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=60) | st.just(NASTY))
def test_every_form_keeps_configured_text_as_it_was(text):
    """Otherwise a name in the configuration changes what a policy allows."""
    policy = statements([Permission("s3:GetObject", (f"arn:aws:s3:::{text}/*",), "Read")])
    principal = Principal(MEMBER, policy, (ROLE,), (Trust(HUB, text),))
    resource = f"arn:aws:s3:::{text}/*"
    assert json.loads(FORMATS["json"]((principal,), ""))["Statement"][0]["Resource"] == [resource]
    blocks = dict(hcl.read(FORMATS["terraform"]((principal,), "")))
    assert blocks["resource", "aws_iam_role_policy", "aws_change_exporter"]["policy"]["Statement"][0]["Resource"] == [resource]
    if "resolve:" not in text:
        template = yaml.safe_load(FORMATS["cloudformation"]((principal,), ""))
        properties = template["Resources"]["Role"]["Properties"]
        assert properties["Policies"][0]["PolicyDocument"]["Statement"][0]["Resource"] == [resource]
        condition = properties["AssumeRolePolicyDocument"]["Statement"][0].get("Condition")
        assert condition == ({"StringEquals": {"sts:ExternalId": text}} if text else None)


def test_text_that_cloudformation_would_resolve_is_refused():
    """Otherwise a name in the configuration reads a secret of the account that applies the template."""
    principal = Principal(MEMBER, statements(needed()), (ROLE,), (Trust(HUB, "{{resolve:secretsmanager:db}}"),))
    with pytest.raises(ConfigError, match="choose another --format"):
        FORMATS["cloudformation"]((principal,), "")


def test_the_size_of_a_policy_is_counted_as_iam_counts_it():
    """Otherwise a policy over the limit is printed without a word."""
    assert size(hub()) == len(json.dumps(hub().policy()).replace(": ", ":").replace(", ", ","))
