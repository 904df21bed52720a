"""Which groups and resources a call touched."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from exporter.catalog import Watch
from exporter.model import ChangeEvent, Ignored, Outcome, Resource
from exporter.parse import RecordParser
from tests.cloudtrail_fixtures import event, load, nothing_opened, parse

G, OTHER = "sg-0123456789abcdef0", "sg-0fedcba9876543210"
VPC = "AWS::EC2::VPC"

GOLDEN: dict[str, tuple[tuple[str, ...], list[tuple[str, str]]]] = {
    "how-to-console-authorize": (("sg-123456789",), []),
    "authorize-long-form-every-peer": ((G,), []),
    "authorize-by-group-name": ((G,), []),
    "authorize-by-group-name-only": (("name:web",), []),
    "authorize-denied": ((G,), []),
    "authorize-request-omitted": ((), []),
    "authorize-request-omitted-but-answered": ((G,), []),
    "revoke-by-rule-id-answered": ((G,), []),
    "modify-one-rule": ((G,), []),
    "describe-by-permission": ((G,), []),
    "create-security-group": ((G,), []),
    "create-security-group-denied": (("name:web",), []),
    "delete-security-group-by-name": (("name:web",), []),
    "associate-vpc": ((G,), [(VPC, "vpc-0fedcba9876543210")]),
    "vpc-resource-creation": (
        (G,),
        [
            ("AWS::EC2::RouteTable", "rtb-0123456789abcdef0"),
            ("AWS::EC2::NetworkAcl", "acl-0123456789abcdef0"),
            (VPC, "vpc-0123456789abcdef0"),
        ],
    ),
    "legacy-db-authorize": ((), [("AWS::RDS::DBSecurityGroup", "legacy-db")]),
    "legacy-cache-revoke": ((), [("AWS::ElastiCache::SecurityGroup", "legacy-cache")]),
    "attach-run-instances": ((G, OTHER), [("AWS::EC2::Instance", "i-0123456789abcdef0"), ("AWS::EC2::Instance", "i-0fedcba9876543210")]),
    "attach-network-interface": ((G,), [("AWS::EC2::NetworkInterface", "eni-0123456789abcdef0")]),
    "attach-vpc-endpoint": ((G, OTHER), [("AWS::EC2::VPCEndpoint", "vpce-0123456789abcdef0")]),
    "attach-db-cluster": ((G,), [("AWS::RDS::DBCluster", "orders")]),
    "attach-lambda": ((G,), [("AWS::Lambda::Function", "resize")]),
    "attach-load-balancer": (
        (G,),
        [
            (
                "AWS::ElasticLoadBalancingV2::LoadBalancer",
                "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/shop/0123456789abcdef",
            )
        ],
    ),
    "attach-mount-target": ((G,), [("AWS::EFS::MountTarget", "fsmt-01234567")]),
    "attach-ecs-service": ((G,), [("AWS::ECS::Service", "shop"), ("AWS::ECS::Cluster", "prod")]),
    "prefix-list-modify": ((), [("AWS::EC2::PrefixList", "pl-0123456789abcdef0")]),
    "tags-of-group-and-rule": ((G,), [("AWS::EC2::SecurityGroupRule", "sgr-00000000000000081")]),
    "route-created": ((), [("AWS::EC2::RouteTable", "rtb-0123456789abcdef0")]),
    "bucket-policy-put": ((), [("AWS::S3::Bucket", "example-bucket")]),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_record_names_what_it_touched(name: str) -> None:
    """Groups that rules merely refer to are not touched; counting them would put changes on the wrong group."""
    groups, others = GOLDEN[name]
    parsed = event(name)
    assert parsed.security_groups == groups
    assert parsed.resources == (
        *(Resource("AWS::EC2::SecurityGroup", group) for group in groups),
        *(Resource(kind, value) for kind, value in others),
    )


@pytest.mark.parametrize("name", ["attach-nothing-user-data", "tags-of-instance"])
def test_a_call_that_concerns_no_group_is_ignored_by_name(name: str) -> None:
    """ModifyInstanceAttribute is mostly about something else, and tags mostly on something else."""
    assert parse(load(name)) == Ignored("no_security_group", "111122223333", "eu-west-1")


@pytest.mark.parametrize("request_parameters", [{}, {"groupSet": {}}, {"groupSet": {"items": [{}, 5]}}])
def test_an_attachment_without_groups_is_ignored(request_parameters: object) -> None:
    """The group it gets is the default one of its VPC, which nobody chose."""
    assert isinstance(parse(load("attach-network-interface", requestParameters=request_parameters)), Ignored)


@pytest.mark.parametrize("request_parameters", [None, ..., "text"])
@pytest.mark.parametrize("name", ["attach-network-interface", "tags-of-instance"])
def test_a_denied_call_without_parameters_concerns_no_group(name: str, request_parameters: object) -> None:
    """Denied calls may carry no parameters at all, and changed nothing."""
    denied = load(name, requestParameters=request_parameters, responseElements=None, errorCode="Client.UnauthorizedOperation")
    assert isinstance(parse(denied), Ignored)


@pytest.mark.parametrize("request_parameters", [None, ..., "text", {"omitted": True}])
@pytest.mark.parametrize("name", ["attach-network-interface", "tags-of-group-and-rule"])
def test_a_call_that_succeeded_without_its_parameters_is_a_change_of_unknown_content(name: str, request_parameters: object) -> None:
    """AWS leaves parameters of over 100 kB out as a whole: a call that hides so must not be ignored as one that names no group."""
    parsed = event(name, requestParameters=request_parameters, responseElements=None)
    assert (parsed.outcome, parsed.security_groups, parsed.content_known) == (Outcome.SUCCESS, (), False)


def test_the_answer_names_the_prefix_list_whose_request_is_left_out() -> None:
    """A list of a thousand entries is changed by a request that AWS may leave out; which list it was must not get lost."""
    parsed = event("prefix-list-modify", requestParameters={"omitted": True})
    assert parsed.resources == (Resource("AWS::EC2::PrefixList", "pl-0123456789abcdef0"),)
    assert event("prefix-list-modify").resources == parsed.resources, "once, though request and answer both name it"


def test_the_answer_names_the_groups_of_an_attachment_whose_request_is_left_out() -> None:
    """What AWS answers is what is attached; that the request is unknown stays said."""
    parsed = event("attach-run-instances", requestParameters={"omitted": True})
    assert (parsed.security_groups, parsed.content_known) == ((G,), False)


def test_an_attachment_whose_request_aws_left_out_is_not_ignored() -> None:
    """Left out is not empty: it may well have named a group."""
    left_out = {"omitted": True, "reason": "requestParameters too large"}
    parsed = event("attach-network-interface", requestParameters=left_out, responseElements=None)
    assert (parsed.security_groups, parsed.content_known) == ((), False)


@pytest.mark.parametrize(
    "parameters",
    [
        {"vpcSecurityGroupIds": [G]},
        {"vPCSecurityGroupIds": [G]},
        {"security_group_ids": [G]},
        {"SecurityGroupId": {"tag": 1, "content": G}},
        {"a": [{"b": {"securityGroups": [G, G]}}]},
        {"networkConfiguration": {"securityGroupIdList": {"items": [G]}}},
        {"groupSet": {"items": [{"groupId": G, "groupName": "web"}]}},
        {"emrManagedMasterSecurityGroup": G},
    ],
)
def test_groups_are_found_under_every_key_that_takes_groups(parameters: object) -> None:
    """91 services spell it in a dozen ways."""
    assert event("attach-network-interface", requestParameters=parameters).security_groups == (G,)


@pytest.mark.parametrize(
    "parameters",
    [
        {"description": G},
        {"securityGroupDescription": G},
        {"dBSecurityGroups": ["default"]},
        {"inputSecurityGroupId": "1234567"},
        {"userData": f"securityGroups={G}"},
    ],
)
def test_text_that_only_looks_like_a_group_is_none(parameters: object) -> None:
    """A description that quotes a group attaches nothing."""
    assert isinstance(parse(load("attach-network-interface", requestParameters=parameters)), Ignored)


def test_a_group_by_name_in_an_attachment_is_kept_by_name() -> None:
    """Default VPCs take names."""
    parsed = event("attach-network-interface", requestParameters={"groupSet": {"items": [{"groupName": "web"}]}})
    assert parsed.security_groups == ("name:web",)


def test_a_deeply_nested_or_huge_request_ends() -> None:
    """The search must end before the record's author does."""
    nested: object = {"securityGroups": [G]}
    for _ in range(100_000):
        nested = [nested]
    assert isinstance(parse(load("attach-network-interface", requestParameters={"a": nested})), Ignored)
    many = {"securityGroupIds": [f"sg-{number:08x}" for number in range(50_000)]}
    assert len(event("attach-network-interface", requestParameters=many).security_groups) == 1000


def test_masked_ids_are_kept_as_they_are() -> None:
    """Anonymised data should still count, per mask."""
    assert event("delete-security-group", requestParameters={"groupId": "..."}, responseElements=None).security_groups == ("...",)


@pytest.mark.parametrize("value", [{}, [], None, True, "", {"a": 1}])
def test_a_group_id_of_a_wrong_type_crashes_nothing(value: object) -> None:
    """The request is whatever somebody sent."""
    groups = event("delete-security-group", requestParameters={"groupId": value}, responseElements=None).security_groups
    assert groups == (("true",) if value is True else ())


def test_a_pattern_of_the_users_own_finds_groups_and_listed_resources() -> None:
    """Resources that no row knows are taken from what the record lists."""

    class Everything:
        event_source = "*"
        event_name = "*"

    parser = RecordParser(Watch([], [Everything()]), nothing_opened)
    parsed = parser.parse(load("bucket-policy-put", eventName="PutBucketThing", requestParameters={"vpc": {"securityGroupIds": [G]}}), b"")
    assert isinstance(parsed, ChangeEvent)
    assert parsed.watch_set == "custom"
    assert parsed.security_groups == (G,)
    assert parsed.resources == (Resource("AWS::EC2::SecurityGroup", G), Resource("AWS::S3::Bucket", "arn:aws:s3:::example-bucket"))


@dataclass(frozen=True)
class Calls:
    """A pattern for one call of EC2."""

    event_name: str
    event_source: str = "ec2.amazonaws.com"


@pytest.mark.parametrize("sets", [[], ["attachments", "tags"]])
def test_a_call_that_a_pattern_asks_for_is_kept_without_a_group_and_shows_the_groups_it_has(sets: list[str]) -> None:
    """Nobody who asks for a call by name means only some of it, and none of what is known of it may get lost."""
    parser = RecordParser(Watch(sets, [Calls("ModifyInstanceAttribute"), Calls("CreateTags")]), nothing_opened)
    for name, groups in (("attach-nothing-user-data", ()), ("tags-of-instance", ()), ("tags-of-group-and-rule", (G,))):
        parsed = parser.parse(load(name), b"")
        assert isinstance(parsed, ChangeEvent), name
        assert parsed.security_groups == groups
