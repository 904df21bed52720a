"""Reading JSON of which neither dialect nor types can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.parse.dialect import as_list, follow, lowered, text, truth, unwrapped
from tests.cloudtrail_fixtures import event


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        (None, []),
        ("", []),
        ({}, []),
        ([], []),
        ({"items": []}, []),
        ({"items": {"a": 1}}, [{"a": 1}]),
        ({"Item": [1, 2]}, [1, 2]),
        ({"member": ["x"]}, ["x"]),
        ({"ITEMS": [{"A": 1}]}, [{"A": 1}]),
        ({"a": 1}, [{"a": 1}]),
        ([1], [1]),
        ("x", ["x"]),
        (0, [0]),
        (False, [False]),
    ],
)
def test_a_list_in_any_form_is_a_list(value: object, elements: list[object]) -> None:
    """One dialect has items, the other bare objects, and both have ways to say nothing."""
    assert list(as_list(value)) == elements


def test_a_list_is_bounded() -> None:
    """No record of 256 kB holds more."""
    assert len(as_list([0] * 30_000)) == len(as_list({"items": [0] * 30_000})) == 20_000


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        ("x", "x"),
        ("", None),
        (None, None),
        ([], None),
        ({}, None),
        (True, "true"),
        (False, "false"),
        (-1, "-1"),
        (0, "0"),
        (6.0, "6"),
        (1.5, "1.5"),
        (float("inf"), "inf"),
        (10**4000, "0x" + f"{10**4000:x}"[:254]),
        ({"tag": 1, "content": "x"}, "x"),
        ({"tag": 1, "Content": 5}, "5"),
        ({"content": {"content": "x"}}, None),
        ("x" * 300, "x" * 256),
        ("a\ud800b", "a\ufffdb"),
        ("caf\u00e9\n", "caf\u00e9\n"),
    ],
)
def test_a_scalar_is_text(value: object, spelled: str | None) -> None:
    """Values are coerced on their way, and text may hold what UTF-8 cannot."""
    assert text(value) == spelled


def test_a_wrapper_is_taken_off_where_it_is_one() -> None:
    """An API parameter may itself end in Request; only a lone object is a wrapper."""
    suffixes = ("request", "req")
    assert unwrapped({"DelTGwVpcAttachReq": {"A": 1}}, suffixes) == {"a": 1}
    assert unwrapped({"CreateThingRequest": ""}, suffixes) == {}
    assert unwrapped({"spotRequest": "x"}, suffixes) == {"spotrequest": "x"}
    assert unwrapped({"XRequest": {}, "b": 1}, suffixes) == {"xrequest": {}, "b": 1}
    assert unwrapped(["x"], suffixes) == {}


def test_a_path_passes_through_lists() -> None:
    """Catalog rows leave out `items`."""
    body = lowered({"instancesSet": {"items": [{"InstanceId": "i-1"}, {"instanceId": {"content": "i-2"}}, 5, {"instanceId": []}]}})
    assert follow(body, ("instancesset", "instanceid")) == ["i-1", "i-2"]
    assert follow(body, ("nothing", "instanceid")) == []


@pytest.mark.parametrize(("value", "meant"), [(True, True), ("True", True), ("false", False), ("yes", None), (1, None), (None, None)])
def test_a_boolean_may_have_become_text(value: object, meant: bool | None) -> None:
    """`readOnly` is a boolean in records and text in LookupEvents."""
    assert truth(value) is meant


GROUP = "sg-0123456789abcdef0"
DESCRIPTIONS = st.sampled_from([None, "office", "5", "true"])
MEMBERS = {
    "ipRanges": ("cidrIp", ["0.0.0.0/0", "192.0.2.7/24", "198.51.100.0/25"]),
    "ipv6Ranges": ("cidrIpv6", ["::/0", "2001:db8::1/32"]),
    "prefixListIds": ("prefixListId", ["pl-0123456789abcdef0", "pl-0fedcba9876543210"]),
    "groups": ("groupId", ["sg-0fedcba9876543210", "sg-0aaaaaaaaaaaaaaaa"]),
}


def _peers(member: str, values: list[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.tuples(st.sampled_from(values), DESCRIPTIONS).map(
        lambda drawn: {member: drawn[0]} if drawn[1] is None else {member: drawn[0], "description": drawn[1]}
    )
    return st.lists(one, max_size=3)


PERMISSIONS = st.lists(
    st.fixed_dictionaries(
        {
            "ipProtocol": st.sampled_from(["tcp", "udp", "6", "-1", "icmp", "58", "50"]),
            "fromPort": st.sampled_from([-1, 0, 22]),
            "toPort": st.sampled_from([-1, 22, 65535]),
        }
        | {key: _peers(member, values) for key, (member, values) in MEMBERS.items()}
    ),
    min_size=1,
    max_size=3,
)


def classic(value: Any, items: str = "items") -> Any:
    """Write parameters as older EC2 calls are logged."""
    if isinstance(value, list):
        return {items: [classic(inner, items) for inner in value]} if value else {}
    return {key: classic(inner, items) for key, inner in value.items()} if isinstance(value, dict) else value


def wrapper(value: Any) -> Any:
    """Write parameters as newer EC2 calls are logged: PascalCase, lists of one bare, members numbered, text coerced."""
    if isinstance(value, list):
        members = [{**wrapper(inner), "tag": str(number) if number > 1 else number} for number, inner in enumerate(value, 1)]
        return "" if not members else members[0] if len(members) == 1 else members
    if isinstance(value, dict):
        return {key[0].upper() + key[1:]: wrapper(inner) for key, inner in value.items()}
    return {"true": True, "5": 5, "-1": -1, "6": 6, "58": 58, "50": 50}.get(value, value)


def respelled(value: Any, spell: Callable[[str], str]) -> Any:
    """Write all keys in another case, as pipelines do."""
    if isinstance(value, list):
        return [respelled(inner, spell) for inner in value]
    return {spell(key): respelled(inner, spell) for key, inner in value.items()} if isinstance(value, dict) else value


@settings(max_examples=100, deadline=None)
@given(PERMISSIONS)
def test_every_dialect_tells_the_same_rules(permissions: list[dict[str, Any]]) -> None:
    """One call must not become another because AWS, or a pipeline behind it, wrote it down in another way."""
    plain = {"groupId": GROUP, "ipPermissions": classic(permissions)}
    told = [
        event("authorize-flat-form", requestParameters=request, responseElements={"_return": True})
        for request in (
            plain,
            {"groupId": GROUP, "ipPermissions": classic(permissions, "item")},
            {"groupId": GROUP, "ipPermissions": permissions},
            {"AuthorizeSecurityGroupIngressRequest": {"GroupId": GROUP, "IpPermissions": wrapper(permissions)}},
            respelled(plain, str.lower),
            respelled(plain, str.upper),
        )
    ]
    peers = sum(max(1, sum(len(permission[key]) for key in MEMBERS)) for permission in permissions)
    assert {len(each.rule_changes) for each in told} == {peers}
    assert {(each.security_groups, each.rule_changes) for each in told} == {((GROUP,), told[0].rule_changes)}
