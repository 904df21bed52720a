"""The catalog: what is watched, and that it keeps up with AWS."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from exporter.catalog import CORE_EVENTS, DEFAULT_WATCH_SETS, EC2_NOT_CHANGES, WATCH_SETS, EventSpec, Kind, ResourcePath, Watch
from tests.cloudtrail_fixtures import FOLDER, NAMES, load

EC2 = "ec2.amazonaws.com"
# Event source to the names of the services in botocore, where they are not the same.
SERVICES = {
    "airflow": ("mwaa",),
    "elasticfilesystem": ("efs",),
    "elasticloadbalancing": ("elb", "elbv2"),
    "elasticmapreduce": ("emr",),
    "es": ("es", "opensearch"),
    "monitoring": ("cloudwatch",),
    "s3": ("s3", "s3control"),
}
# Event names that CloudTrail writes and no API operation has, each with what stands behind it.
ONLY_IN_CLOUDTRAIL = {
    "CreateVpcResourceCreation": "service event by which the resources of a new VPC are born",
    "PutBucketPublicAccessBlock": "PutPublicAccessBlock of S3",
    "DeleteBucketPublicAccessBlock": "DeletePublicAccessBlock of S3",
    "PutAccountPublicAccessBlock": "PutPublicAccessBlock of S3 Control",
    "DeleteAccountPublicAccessBlock": "DeletePublicAccessBlock of S3 Control",
}


@dataclass(frozen=True)
class Glob:
    """A user's pattern, as the configuration has it."""

    event_source: str
    event_name: str


@pytest.fixture(scope="module")
def models() -> Any:
    return pytest.importorskip("botocore.session").get_session()


def test_every_security_group_operation_of_ec2_is_watched_or_explained(models: Any) -> None:
    """A new AWS operation that changes groups would go unseen; here its name fails until somebody decides."""
    operations = {name for name in models.get_service_model("ec2").operation_names if "SecurityGroup" in name}
    watched = {spec.event_name for specs in WATCH_SETS.values() for spec in specs if spec.event_source == EC2}
    assert operations, "botocore has no EC2 model"
    assert operations - watched == set(EC2_NOT_CHANGES)
    assert not watched & set(EC2_NOT_CHANGES)


@pytest.mark.parametrize("service", ["rds", "elasticache", "redshift", "elb", "elbv2", "efs"])
def test_every_security_group_write_of_other_services_is_watched(models: Any, service: str) -> None:
    """Legacy groups and attachments have operations named so too."""
    operations = {name for name in models.get_service_model(service).operation_names if "SecurityGroup" in name}
    watched = {spec.event_name for specs in WATCH_SETS.values() for spec in specs}
    assert {name for name in operations if not name.startswith("Describe")} <= watched


def _takes_groups(shape: Any, seen: frozenset[str] = frozenset()) -> bool:
    if shape is None or shape.name in seen:
        return False
    if shape.type_name == "structure":
        return any(
            re.fullmatch(r"(Add|Remove)?(Vpc)?SecurityGroup(Ids?|s)?", name) is not None or _takes_groups(member, seen | {shape.name})
            for name, member in shape.members.items()
        )
    return shape.type_name == "list" and _takes_groups(shape.member, seen | {shape.name})


def test_every_ec2_write_that_takes_security_groups_is_an_attachment(models: Any) -> None:
    """A forgotten call would attach a group to something without a line of history."""
    ec2 = models.get_service_model("ec2")
    reads = ("Describe", "Get", "Search", "List", "Validate")
    taking = {name for name in ec2.operation_names if not name.startswith(reads) and _takes_groups(ec2.operation_model(name).input_shape)}
    explained = {
        "CreateApplicationStatusCheck",  # names groups as ends of a health check's path, attaches nothing
        "ModifyApplicationStatusCheck",
        "UpdateSecurityGroupRuleDescriptionsEgress",  # core
        "UpdateSecurityGroupRuleDescriptionsIngress",
    }
    watched = {spec.event_name for spec in (*WATCH_SETS["attachments"], *WATCH_SETS["security_groups"]) if spec.event_source == EC2}
    assert {"RunInstances", "CreateVpcEndpoint"} <= taking
    assert taking - watched - explained == set()


def test_every_row_names_a_call_that_exists(models: Any) -> None:
    """A misspelt name or source matches nothing, for ever and in silence."""
    known: dict[str, set[str]] = {}
    wrong = []
    for specs in WATCH_SETS.values():
        for spec in specs:
            source = spec.event_source.removesuffix(".amazonaws.com")
            for service in SERVICES.get(source, (source,)):
                known.setdefault(spec.event_source, set()).update(models.get_service_model(service).operation_names)
            if spec.event_name not in known[spec.event_source] and spec.event_name not in ONLY_IN_CLOUDTRAIL:
                wrong.append((spec.event_source, spec.event_name))
    assert wrong == []


@pytest.mark.parametrize("name", WATCH_SETS)
def test_a_watch_set_holds_each_call_once_and_under_its_own_name(name: str) -> None:
    """Of two rows for one call the second would be dead."""
    specs = WATCH_SETS[name]
    assert specs
    assert {spec.watch_set for spec in specs} == {name}
    assert Counter((spec.event_source, spec.event_name) for spec in specs).most_common(1)[0][1] == 1


def test_the_core_is_the_twelve_calls() -> None:
    """Paging counters exist at 0 for exactly these."""
    assert len(CORE_EVENTS) == 12
    assert {source for source, _ in CORE_EVENTS} == {EC2}
    assert DEFAULT_WATCH_SETS == ("security_groups", "legacy_security_groups", "prefix_lists")


def test_every_core_call_has_a_fixture() -> None:
    """A row without a record of its shape is a guess."""
    names = {load(name).get("eventName") for name in NAMES}
    assert {name for _, name in CORE_EVENTS} <= names
    assert all((FOLDER / f"{name}.json").read_text(encoding="utf-8").endswith("}\n") for name in NAMES)


def test_a_resource_path_must_say_where_it_begins() -> None:
    """A path into nowhere would find nothing, in silence."""
    assert ResourcePath("AWS::EC2::VPC", "request.vpcId").steps == ("request", "vpcid")
    with pytest.raises(ValueError, match="must begin with"):
        ResourcePath("AWS::EC2::VPC", "vpcId")


def test_a_call_is_watched_with_its_event_source_only() -> None:
    """Wickr has CreateSecurityGroup too, and IAM and Organizations share CreatePolicy."""
    watch = Watch(WATCH_SETS)
    assert watch.wanted(EC2, "CreateSecurityGroup")
    assert not watch.wanted("wickr.amazonaws.com", "CreateSecurityGroup")
    policies = [watch.spec(f"{source}.amazonaws.com", "CreatePolicy") for source in ("iam", "organizations")]
    assert [spec and spec.watch_set for spec in policies] == ["iam", "organizations"]


def test_only_chosen_sets_are_watched() -> None:
    """Somebody who wants groups only must not be paged for S3."""
    watch = Watch(["security_groups"])
    assert watch.wanted(EC2, "ModifySecurityGroupRules")
    assert not watch.wanted("s3.amazonaws.com", "PutBucketPolicy")
    assert not watch.wanted(EC2, "RunInstances")


def test_an_unknown_set_is_an_error_that_names_the_choices() -> None:
    """A misspelt set must not silently watch nothing."""
    with pytest.raises(ValueError, match=r"unknown watch set 'sg'; choose from security_groups, legacy"):
        Watch(["sg"])


def test_a_call_of_two_chosen_sets_belongs_to_the_first() -> None:
    """The label must not depend on the order in which the sets are written down."""
    for sets in (["logging", "network_boundary"], ["network_boundary", "logging"]):
        spec = Watch(sets).spec(EC2, "DeleteFlowLogs")
        assert spec is not None
        assert spec.watch_set == "network_boundary"


@pytest.mark.parametrize(
    "name", ["UpdateFunctionConfiguration20150331v2", "UpdateFunctionConfiguration20150331", "UpdateFunctionConfiguration"]
)
def test_a_version_suffix_is_looked_past(name: str) -> None:
    """Lambda logs its calls with the version of the API behind the name."""
    spec = Watch(["attachments"]).spec("lambda.amazonaws.com", name)
    assert spec is not None
    assert spec.event_name == "UpdateFunctionConfiguration"


def test_a_pattern_watches_any_call() -> None:
    """The user's own resources need no row here."""
    watch = Watch([], [Glob("dynamodb.amazonaws.com", "Delete*"), Glob("*", "PutThing")])
    assert watch.spec("dynamodb.amazonaws.com", "DeleteTable") == EventSpec("dynamodb.amazonaws.com", "DeleteTable", "custom", Kind.GENERIC)
    assert watch.wanted("x.amazonaws.com", "PutThing20200101")
    assert not watch.wanted("dynamodb.amazonaws.com", "CreateTable")
    assert not watch.wanted("s3.amazonaws.com", "DeleteTable")


def test_a_pattern_over_known_calls_keeps_what_is_known_of_them() -> None:
    """Rules must be read also where a pattern, not a set, asks for an authorize."""
    watch = Watch([], [Glob(EC2, "*")])
    spec = watch.spec(EC2, "AuthorizeSecurityGroupIngress")
    assert spec == EventSpec(EC2, "AuthorizeSecurityGroupIngress", "custom", Kind.AUTHORIZE_INGRESS)
    instances = watch.spec(EC2, "RunInstances")
    assert instances is not None
    assert (instances.kind, instances.whole) == (Kind.ATTACHMENT, True), "asked for by name, it is wanted with or without a group"


@pytest.mark.parametrize(("set_name", "call"), [("attachments", "RunInstances"), ("tags", "CreateTags")])
def test_choosing_a_set_never_takes_away_what_a_pattern_asks_for(set_name: str, call: str) -> None:
    """The sets keep only calls that concern a group; more configuration must not mean fewer events."""
    alone, both = Watch([set_name]).spec(EC2, call), Watch([set_name], [Glob(EC2, call)]).spec(EC2, call)
    assert alone is not None
    assert both is not None
    assert (alone.watch_set, alone.whole) == (set_name, False)
    assert (both.watch_set, both.kind, both.whole) == (set_name, alone.kind, True)


def test_choosing_a_set_never_takes_away_what_another_set_holds() -> None:
    """Of two sets that hold a call, only one may drop it for want of a group; the other wants it all."""
    both = Watch(["attachments", "network_boundary"]).spec(EC2, "AttachClassicLinkVpc")
    assert both is not None
    assert (both.watch_set, both.kind, both.whole) == ("attachments", Kind.ATTACHMENT, True)
    assert {resource.type for resource in both.resources} == {"AWS::EC2::Instance", "AWS::EC2::VPC"}


def test_a_chosen_set_stands_before_a_pattern() -> None:
    """A pattern that is too wide must not move core events to another watch set."""
    spec = Watch(DEFAULT_WATCH_SETS, [Glob("*", "*")]).spec(EC2, "DeleteSecurityGroup")
    assert spec is not None
    assert spec.watch_set == "security_groups"


def test_lookups_are_bounded() -> None:
    """Names come from outside; remembering all of them would fill the memory."""
    watch = Watch(DEFAULT_WATCH_SETS, [Glob("*", "*")])
    for number in range(20_000):
        assert watch.wanted("made.up", f"Name{number}")
    assert watch._lookup.cache_info().currsize <= 8192
    assert not watch.wanted("made.up", "x" * 257), "longer than any name; also kept out of the cache"


def test_a_hostile_pattern_does_not_hang() -> None:
    """Stars become regular expressions; those must not backtrack without end."""
    watch = Watch([], [Glob("*a*a*a*a*a*a*a*a*a*b", "*")])
    assert not watch.wanted("a" * 256, "X")


EVERY_FINITE_SET = tuple(name for name in WATCH_SETS if name != "attachments")


@pytest.mark.parametrize("sets", [DEFAULT_WATCH_SETS, ("security_groups",), EVERY_FINITE_SET])
def test_the_names_of_finite_sets_are_exactly_what_they_watch(sets: tuple[str, ...]) -> None:
    """LookupEvents is asked name by name: a name left out is a change that is never seen, one too many is paid for."""
    watch = Watch(sets)
    assert watch.names() == tuple(sorted({(row.event_source, row.event_name) for name in sets for row in WATCH_SETS[name]}))


def test_a_pattern_without_wildcards_is_one_more_name() -> None:
    """Most patterns are one call."""
    watch = Watch((), [Glob("ec2.amazonaws.com", "RunInstances"), Glob("s3.amazonaws.com", "PutBucketPolicy")])
    assert watch.names() == (("ec2.amazonaws.com", "RunInstances"), ("s3.amazonaws.com", "PutBucketPolicy"))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("ec2.amazonaws.com", "Run*"),
        ("ec2.amazonaws.com", "RunInstance?"),
        ("ec2.amazonaws.com", "Run[IJ]nstances"),
        ("*", "RunInstances"),
        ("ec?.amazonaws.com", "RunInstances"),
        ("lambda.amazonaws.com", "CreateFunction"),
        ("cloudfront.amazonaws.com", "CreateDistribution"),
        ("unheard-of.amazonaws.com", "CreateThing"),
    ],
)
def test_names_without_end_are_said_to_be_so(source: str, name: str) -> None:
    """Lambda logs CreateFunction20150331: who asks for CreateFunction only would never see it."""
    assert Watch(("security_groups",), [Glob(source, name)]).names() is None


def test_a_set_with_calls_of_versioned_services_has_no_end() -> None:
    """The attachments hold Lambda's calls."""
    assert Watch(("attachments",)).names() is None
    assert Watch(("security_groups", "attachments")).names() is None
