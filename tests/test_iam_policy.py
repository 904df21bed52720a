"""`iam-policy`: who needs what, for many configurations."""

from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner

from exporter.cli import main

READ = {"cloudtrail:LookupEvents"}
DOCTOR = {
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetTrailStatus",
    "cloudtrail:GetEventSelectors",
    "config:DescribeConfigurationRecorders",
    "config:DescribeConfigurationRecorderStatus",
}
FROM_CONFIG = {
    "config:DescribeConfigurationRecorders",
    "config:DescribeConfigurationRecorderStatus",
    "config:SelectResourceConfig",
}
AGGREGATOR = {
    "config:DescribeConfigurationAggregators",
    "config:DescribeConfigurationAggregatorSourcesStatus",
    "config:SelectAggregateResourceConfig",
}
STANDING = {
    "ec2:DescribeManagedPrefixLists",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroupVpcAssociations",
    "ec2:DescribeSecurityGroups",
    "ec2:GetManagedPrefixListEntries",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
}
ALWAYS = DOCTOR | STANDING | FROM_CONFIG
"""What each watched account is asked whatever its changes are read from."""
MEMBER_ROLE = "arn:aws:iam::444455556666:role/ops/aws-change-exporter"
OTHER_ROLE = "arn:aws:iam::777788889999:role/ops/aws-change-exporter"
MIDDLE = "arn:aws:iam::111122223333:role/middle"
HUB = "arn:aws:iam::111122223333:role/exporter"
CLOUDTRAIL = [{"type": "cloudtrail"}]


def run(tmp_path, config, *arguments, status=0):
    path = tmp_path / "exporter.yml"
    path.write_text(yaml.safe_dump(config))
    result = CliRunner().invoke(main, ["iam-policy", "--config.file", str(path), *arguments])
    assert result.exit_code == status, result.output
    return result


def policies(tmp_path, config, *arguments):
    """Return the policies by principal."""
    printed = json.loads(run(tmp_path, config, *arguments).stdout)
    return {"": printed} if "Statement" in printed else printed


def actions(policy):
    """Return every action of a policy, none of which may stand twice."""
    listed = [action for statement in policy["Statement"] for action in statement["Action"]]
    assert len(listed) == len(set(listed)), listed
    return set(listed)


def resources(policy, action):
    """Return the resources of one action."""
    return next(statement["Resource"] for statement in policy["Statement"] if action in statement["Action"])


def test_one_account_needs_to_read_its_event_history_and_nothing_else(tmp_path):
    """Otherwise the simplest configuration asks for more than it uses."""
    [policy] = policies(tmp_path, {"sources": CLOUDTRAIL}).values()
    assert actions(policy) == READ | ALWAYS
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Allow"}


def test_trail_files_on_disk_need_nothing_of_aws(tmp_path):
    """Otherwise an embedded exporter is given a policy that it has no use for."""
    result = run(tmp_path, {"sources": [{"type": "files", "path": "/var/log/cloudtrail"}]})
    assert result.stdout == ""
    assert "needs no permission" in result.stderr


def test_listed_accounts_are_reached_by_exactly_their_roles(tmp_path):
    """Otherwise the hub may assume roles that the exporter has no business with, or not those that it must."""
    accounts = [{"role_arn": MEMBER_ROLE}, {"role_arn": OTHER_ROLE}]
    found = policies(tmp_path, {"sources": CLOUDTRAIL, "aws": {"accounts": accounts}})
    assert {name: actions(policy) for name, policy in found.items()} == {"hub": {"sts:AssumeRole"}, "member": READ | ALWAYS}
    assert resources(found["hub"], "sts:AssumeRole") == [MEMBER_ROLE, OTHER_ROLE]


def test_the_own_account_beside_others_makes_the_hub_read_too(tmp_path):
    """Otherwise the exporter's own account is denied to it."""
    config = {"sources": CLOUDTRAIL, "aws": {"accounts": [{"role_arn": MEMBER_ROLE}], "own_account": True}}
    found = policies(tmp_path, config)
    assert actions(found["hub"]) == READ | ALWAYS | {"sts:AssumeRole"}


def test_each_link_of_a_chain_may_assume_the_next_and_no_other(tmp_path):
    """Otherwise a stolen session of the hub goes straight to every account."""
    config = {"sources": CLOUDTRAIL, "aws": {"accounts": [{"role_arn": MEMBER_ROLE, "via": [{"role_arn": MIDDLE, "external_id": "m"}]}]}}
    found = policies(tmp_path, config)
    assert resources(found["hub"], "sts:AssumeRole") == [MIDDLE]
    assert resources(found[MIDDLE], "sts:AssumeRole") == [MEMBER_ROLE]
    assert actions(found["member"]) == READ | ALWAYS
    trusts = json.loads(run(tmp_path, config, "--format", "trust", "--hub-arn", HUB).stdout)
    assert trusts["member"]["Statement"][0]["Principal"] == {"AWS": MIDDLE}
    assert trusts[MIDDLE]["Statement"][0]["Principal"] == {"AWS": HUB}
    assert trusts[MIDDLE]["Statement"][0]["Condition"] == {"StringEquals": {"sts:ExternalId": "m"}}


ORGANIZATION = {"role_name": "/ops/aws-change-exporter", "external_id": "secret-7"}


def test_an_organization_is_listed_and_its_roles_are_assumed_in_any_account(tmp_path):
    """Otherwise accounts that join the organization are denied until somebody changes the policy."""
    found = policies(tmp_path, {"sources": CLOUDTRAIL, "aws": {"organization": ORGANIZATION}})
    assert actions(found["hub"]) == READ | ALWAYS | {"sts:AssumeRole", "organizations:ListAccounts"}
    assert resources(found["hub"], "sts:AssumeRole") == ["arn:aws:iam::*:role/ops/aws-change-exporter"]
    assert actions(found["member"]) == READ | ALWAYS


def test_only_the_end_of_the_chain_lists_the_organization(tmp_path):
    """Otherwise the hub is given what only the delegated administrator needs."""
    organization = ORGANIZATION | {"via": [{"role_arn": MIDDLE}]}
    found = policies(tmp_path, {"sources": CLOUDTRAIL, "aws": {"organization": organization}})
    assert actions(found[MIDDLE]) == {"organizations:ListAccounts", "sts:AssumeRole"}
    assert resources(found["hub"], "sts:AssumeRole") == [MIDDLE]


def test_included_accounts_narrow_the_roles(tmp_path):
    """Otherwise a pilot in two accounts may go into all."""
    organization = ORGANIZATION | {"include": ["444455556666"]}
    config = {"sources": CLOUDTRAIL, "aws": {"organization": organization}}
    assert resources(policies(tmp_path, config)["hub"], "sts:AssumeRole") == [MEMBER_ROLE]
    # The hub's own account, once it is known, is not among them.
    assert actions(policies(tmp_path, config, "--hub-arn", HUB)["hub"]) == {"sts:AssumeRole", "organizations:ListAccounts"}


@pytest.mark.parametrize(
    ("aws", "arn"),
    [
        ({"organization": ORGANIZATION, "regions": ["us-gov-west-1"]}, "arn:aws-us-gov:iam::*:role/ops/aws-change-exporter"),
        ({"organization": ORGANIZATION, "regions": ["cn-north-1"]}, "arn:aws-cn:iam::*:role/ops/aws-change-exporter"),
        (
            {"organization": ORGANIZATION | {"via": [{"role_arn": MIDDLE.replace("aws:", "aws-cn:")}]}},
            "arn:aws-cn:iam::*:role/ops/aws-change-exporter",
        ),
    ],
)
def test_other_partitions_are_named_in_arns(tmp_path, aws, arn):
    """Otherwise the policy is refused, or matches nothing, in GovCloud and China."""
    found = policies(tmp_path, {"sources": CLOUDTRAIL, "aws": aws})
    who = "hub" if "via" not in aws["organization"] else MIDDLE.replace("aws:", "aws-cn:")
    assert resources(found[who], "sts:AssumeRole") == [arn]


@pytest.mark.parametrize(
    ("source", "posture", "aws", "expected"),
    [
        ({}, {}, {"regions": ["all"]}, True),
        ({"regions": ["all"]}, {}, {"regions": ["us-east-1"]}, True),
        ({"regions": ["us-east-1"]}, {}, {"regions": ["all"]}, True),
        ({"regions": ["us-east-1"]}, {"regions": ["us-east-1"]}, {"regions": ["all"]}, False),
        ({"regions": ["us-east-1"]}, {"enabled": False}, {"regions": ["all"]}, False),
        ({}, {"regions": ["all"]}, {"regions": ["us-east-1"]}, True),
        ({}, {"regions": ["all"], "enabled": False}, {"regions": ["us-east-1"]}, False),
        ({}, {}, {"regions": ["eu-west-1"], "accounts": [{"role_arn": MEMBER_ROLE, "regions": ["all"]}]}, True),
        ({}, {}, {"regions": ["all"], "accounts": [{"role_arn": MEMBER_ROLE, "regions": ["eu-west-1"]}]}, False),
        ({}, {}, {}, False),
    ],
)
def test_regions_are_asked_for_only_where_they_are_discovered(tmp_path, source, posture, aws, expected):
    """Otherwise ec2:DescribeRegions is missing where it is needed, or given where nothing calls it."""
    found = policies(tmp_path, {"sources": [{"type": "cloudtrail", **source}], "posture": posture, "aws": aws})
    assert any("ec2:DescribeRegions" in actions(policy) for policy in found.values()) is expected


FILES = [{"type": "files", "path": "trail"}]
BALANCERS = {action for action in STANDING if action.startswith("elasticloadbalancing:")}


@pytest.mark.parametrize(
    ("posture", "expected"),
    [
        ({}, STANDING | FROM_CONFIG),
        ({"enabled": False}, set()),
        ({"load_balancers": False}, (STANDING | FROM_CONFIG) - BALANCERS),
        ({"source": "ec2"}, STANDING),
        ({"source": "aws_config"}, FROM_CONFIG),
        ({"source": "aws_config", "overrides": [{"regions": ["us-east-1"], "source": "ec2"}]}, STANDING | FROM_CONFIG),
        ({"source": "aws_config", "aggregator": {"name": "all", "region": "eu-west-1"}}, FROM_CONFIG | AGGREGATOR),
        ({"source": "ec2", "aggregator": {"name": "all", "region": "eu-west-1"}}, STANDING),
    ],
)
@pytest.mark.parametrize("sources", [CLOUDTRAIL, FILES], ids=["cloudtrail", "files"])
def test_what_stands_may_be_read_where_it_is(tmp_path, sources, posture, expected):
    """Otherwise a picture is denied its own calls, or a policy grants what nobody makes."""
    enabled = posture.get("enabled", True)
    config = {"sources": sources, "posture": {"enabled": enabled, **posture}}
    if sources is FILES and not enabled:
        assert run(tmp_path, config).stdout == ""
        return
    granted = {action for policy in policies(tmp_path, config).values() for action in actions(policy)}
    # Doctor looks at the recorder whatever is read.
    assert granted & (STANDING | FROM_CONFIG | AGGREGATOR) == expected | (FROM_CONFIG & DOCTOR)


@pytest.mark.parametrize(
    ("account_id", "who"),
    [("", "hub"), ("444455556666", MEMBER_ROLE), ("777788889999", OTHER_ROLE)],
)
def test_the_aggregator_is_asked_by_the_account_that_has_it(tmp_path, account_id, who):
    """Otherwise the one call that brings all accounts is denied, or every account may make it."""
    accounts = [{"role_arn": MEMBER_ROLE}, {"role_arn": OTHER_ROLE}]
    aggregator = {"name": "all", "region": "eu-west-1", "account_id": account_id}
    found = policies(tmp_path, {"sources": CLOUDTRAIL, "posture": {"aggregator": aggregator}, "aws": {"accounts": accounts}})
    assert [name for name, policy in found.items() if actions(policy) & AGGREGATOR] == [who]
    assert actions(found[who]) >= AGGREGATOR


def test_a_role_on_the_way_that_is_watched_too_stands_apart_with_all_it_needs(tmp_path):
    """Otherwise the role of the audit account may go on but not read, or the other way round."""
    accounts = [{"role_arn": MIDDLE}, {"role_arn": MEMBER_ROLE, "via": [{"role_arn": MIDDLE}]}]
    found = policies(tmp_path, {"sources": CLOUDTRAIL, "aws": {"accounts": accounts}})
    assert actions(found[MIDDLE]) == READ | ALWAYS | {"sts:AssumeRole"}
    assert resources(found[MIDDLE], "sts:AssumeRole") == [MEMBER_ROLE]
    assert actions(found["member"]) == READ | ALWAYS


def test_one_account_can_be_chosen_by_the_arn_of_its_role(tmp_path):
    """Otherwise accounts with external ids of their own have no trust policy."""
    accounts = [{"role_arn": MEMBER_ROLE, "external_id": "one"}, {"role_arn": OTHER_ROLE, "external_id": "two"}]
    config = {"sources": CLOUDTRAIL, "aws": {"accounts": accounts}}
    trust = json.loads(run(tmp_path, config, "--format", "trust", "--for", OTHER_ROLE, "--hub-arn", HUB).stdout)
    assert trust["Statement"][0]["Condition"] == {"StringEquals": {"sts:ExternalId": "two"}}
    mixed = run(tmp_path, config, "--format", "trust", "--hub-arn", HUB, status=2)
    assert "different external ids" in mixed.stderr
    anywhere = {"sources": CLOUDTRAIL, "aws": {"organization": ORGANIZATION}}
    one = json.loads(run(tmp_path, anywhere, "--for", MEMBER_ROLE).stdout)
    assert actions(one) == READ | ALWAYS


def test_a_principal_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    """Otherwise a typing error yields an empty policy."""
    result = run(tmp_path, {"sources": CLOUDTRAIL}, "--for", "member", status=2)
    assert "choose from hub" in result.stderr


def test_nothing_that_is_assumed_needs_no_trust(tmp_path):
    """Otherwise an empty document passes for a trust policy."""
    assert "assumes no role" in run(tmp_path, {"sources": CLOUDTRAIL}, "--format", "trust", status=2).stderr


def test_a_policy_over_the_limit_of_iam_is_told(tmp_path):
    """Otherwise IAM refuses it with a message that says nothing of what to do."""
    accounts = [{"role_arn": f"arn:aws:iam::{number}:role/aws-change-exporter"} for number in range(10**11, 10**11 + 150)]
    result = run(tmp_path, {"sources": CLOUDTRAIL, "aws": {"accounts": accounts}})
    assert "a managed policy at most 6144; give the roles of all accounts one name and use `aws.organization`" in result.stderr


def test_the_same_configuration_gives_the_same_text(tmp_path):
    """Otherwise a policy under version control changes with every run."""
    config = {"sources": CLOUDTRAIL, "aws": {"organization": ORGANIZATION, "accounts": [{"role_arn": OTHER_ROLE}]}}
    assert len({run(tmp_path, config).stdout for _ in range(3)}) == 1


def test_a_wrong_configuration_is_exit_status_2(tmp_path):
    """Otherwise a script takes half a policy for a whole one."""
    assert "unknown key" in run(tmp_path, {"sources": CLOUDTRAIL, "awz": {}}, status=2).stderr


QUEUE = "https://sqs.us-gov-west-1.amazonaws.com/111122223333/trail-files"
KEY = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def statement(policy, action):
    """Return the statement of one action."""
    return next(item for item in policy["Statement"] if action in item["Action"])


def test_a_bucket_and_its_queue_are_named_and_nothing_else(tmp_path):
    """Otherwise the exporter may read every bucket and every queue of the account."""
    source = {"type": "s3", "queue_url": QUEUE, "bucket": "example-trail", "prefix": "logs", "kms_keys": [KEY]}
    [policy] = policies(tmp_path, {"sources": [source]}).values()
    assert actions(policy) == ALWAYS | {
        "cloudtrail:ListPublicKeys", "kms:Decrypt", "s3:GetObject", "s3:ListBucket",
        "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage",
    }  # fmt: skip
    assert resources(policy, "sqs:ReceiveMessage") == ["arn:aws-us-gov:sqs:us-gov-west-1:111122223333:trail-files"]
    assert resources(policy, "s3:GetObject") == ["arn:aws-us-gov:s3:::example-trail/logs/AWSLogs/*"]
    assert resources(policy, "kms:Decrypt") == [KEY]
    listing = statement(policy, "s3:ListBucket")
    assert listing["Resource"] == ["arn:aws-us-gov:s3:::example-trail"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["logs/AWSLogs/*"]}}


def test_what_would_match_more_than_itself_is_escaped(tmp_path):
    """Otherwise a star in a prefix opens the bucket, and a variable is filled in by AWS."""
    source = {"type": "s3", "bucket": "example-trail", "region": "us-east-1", "prefix": "a*b?/${aws:username}"}
    [policy] = policies(tmp_path, {"sources": [source]}).values()
    escaped = "a${*}b${?}/${$}{aws:username}/AWSLogs/*"
    assert resources(policy, "s3:GetObject") == [f"arn:aws:s3:::example-trail/{escaped}"]
    assert statement(policy, "s3:ListBucket")["Condition"] == {"StringLike": {"s3:prefix": [escaped]}}


def test_a_queue_of_eventbridge_needs_no_bucket_and_keeps_its_suffix(tmp_path):
    """Otherwise the fast road may read files, or the ARN of a FIFO queue is that of another."""
    source = {"type": "eventbridge", "queue_url": "https://sqs.eu-west-1.amazonaws.com/111122223333/changes.fifo"}
    [policy] = policies(tmp_path, {"sources": [source]}).values()
    assert {action.partition(":")[0] for action in actions(policy) - ALWAYS} == {"sqs"}
    assert resources(policy, "sqs:DeleteMessage") == ["arn:aws:sqs:eu-west-1:111122223333:changes.fifo"]


def test_a_reader_of_another_account_has_all_and_the_hub_only_the_way_to_it(tmp_path):
    """Otherwise the hub itself may read the log archive, or the reader lacks what it must do."""
    source = {"type": "s3", "bucket": "example-trail", "region": "us-east-1", "role": {"role_arn": OTHER_ROLE, "external_id": "r"}}
    config = {"sources": [source]}
    found = policies(tmp_path, config)
    assert actions(found["hub"]) == ALWAYS | {"sts:AssumeRole"}
    assert resources(found["hub"], "sts:AssumeRole") == [OTHER_ROLE]
    assert actions(found[OTHER_ROLE]) == {"cloudtrail:ListPublicKeys", "s3:GetObject", "s3:ListBucket"}
    trust = json.loads(run(tmp_path, config, "--format", "trust", "--hub-arn", HUB).stdout)
    assert trust["Statement"][0]["Condition"] == {"StringEquals": {"sts:ExternalId": "r"}}


def test_a_key_that_is_none_is_refused(tmp_path):
    """Otherwise a policy with an alias in it is printed, which IAM does not match."""
    source = {"type": "s3", "bucket": "example-trail", "kms_keys": ["alias/trail"]}
    assert "is no ARN of a KMS key" in run(tmp_path, {"sources": [source]}, status=2).stderr
