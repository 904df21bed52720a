"""The classic dialect, in which CloudTrail logs the older EC2 calls: the lowerCamel names of the API, lists as `{"items": […]}`.

The names are those of botocore's service model, except where AWS logs others (tables below). An empty list is `{}`;
`return` is spelled `_return`; values have the types of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from botocore.model import ListShape, Shape, StructureShape

from sandbox.form import Node, Tree, items_of

_LISTS: Mapping[str, tuple[str, str]] = {
    "Filter": ("filterSet", ""),
    "GroupName": ("securityGroupSet", "groupName"),
    "InstanceId": ("instancesSet", "instanceId"),
    "NetworkInterface": ("networkInterfaceSet", ""),
    "ResourceId": ("resourcesSet", "resourceId"),
    "SecurityGroup": ("groupSet", "groupName"),
    "SecurityGroupId": ("groupSet", "groupId"),
    "SecurityGroupRuleId": ("securityGroupRuleIds", "securityGroupRuleId"),
    "Tag": ("tagSet", ""),
    "Value": ("valueSet", "value"),
    "VpcId": ("vpcSet", "vpcId"),
}
"""A list by its name on the wire: the key that AWS logs, and the key of a plain member."""

_LISTS_OF_CALLS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("DescribeSecurityGroups", "GroupId"): ("securityGroupIdSet", "groupId"),
    ("ModifyInstanceAttribute", "GroupId"): ("groupSet", "groupId"),
}

_PERMISSION_LISTS = ("groups", "ipRanges", "ipv6Ranges", "prefixListIds")

_ALWAYS: Mapping[str, tuple[str, ...]] = {
    "AuthorizeSecurityGroupIngress": ("ipPermissions",),
    "AuthorizeSecurityGroupEgress": ("ipPermissions",),
    "RevokeSecurityGroupIngress": ("ipPermissions",),
    "RevokeSecurityGroupEgress": ("ipPermissions",),
    "CreateNetworkInterface": ("groupSet",),
    "DescribeSecurityGroups": ("securityGroupSet", "securityGroupIdSet", "filterSet"),
}
"""Lists that AWS logs, empty, even if the call has none."""

_SECRET = frozenset({"userData"})
_EACH_INSTANCE = ("imageId", "minCount", "maxCount", "keyName")


def asked(action: str, shape: Shape | None, tree: Tree) -> dict[str, Any]:
    """Return requestParameters of a call, given the model of its request; unknown fields keep their names, lower-cased."""
    body = _structure(action, shape, tree)
    for name in _ALWAYS.get(action, ()):
        body.setdefault(name, {})
    if action == "RunInstances":
        # What is asked of each instance stands in a list of its own.
        each = {name: body.pop(name) for name in _EACH_INSTANCE if name in body}
        body = {"instancesSet": {"items": [each]}, **body}
    return body


def answered(shape: Shape | None, answer: Element, request_id: str) -> dict[str, Any]:
    """Return responseElements of a call that succeeded, given the model of its answer and the answer itself."""
    body = _read(shape, answer)
    rest = {name: value for name, value in body.items() if name != "requestId"} if isinstance(body, dict) else {}
    # moto answers some calls with nothing at all, where EC2 says that it is done.
    return {"requestId": request_id, **(rest or {"_return": True})}


def lower_first(name: str) -> str:
    """Return a name as AWS spells it in records: `GroupId` is `groupId`."""
    return name[:1].lower() + name[1:]


def _structure(action: str, shape: Shape | None, tree: Tree) -> dict[str, Any]:
    members = {_wire_name(name, member): member for name, member in shape.members.items()} if isinstance(shape, StructureShape) else {}
    body: dict[str, Any] = {}
    for name, node in tree.items():
        member = members.get(name)
        if isinstance(member, ListShape):
            key, value = _list(action, name, member, node)
        else:
            key, value = lower_first(name), _plain(action, member, node)
        body[key] = "<sensitiveDataRemoved>" if key in _SECRET else value
    if shape is not None and shape.name == "IpPermission":
        for key in _PERMISSION_LISTS:
            body.setdefault(key, {})
    return body


def _wire_name(name: str, member: Shape) -> str:
    """Return how the EC2 protocol spells a member in the form: its query name, else its name in XML, first letter large."""
    query: str | None = member.serialization.get("queryName")
    xml: str = member.serialization.get("name", name)
    return query or xml[:1].upper() + xml[1:]


def _list(action: str, name: str, member: ListShape, node: Node) -> tuple[str, Any]:
    if name == "TagSpecification":
        # The one list in the classic dialect whose own lists are plain arrays.
        items = [_tag_specification(item) for item in items_of(node) if isinstance(item, dict)]
        return "tagSpecificationSet", {"items": items}
    key, item_key = _LISTS_OF_CALLS.get((action, name)) or _LISTS.get(name) or (lower_first(name), lower_first(name).removesuffix("s"))
    values = [_plain(action, member.member, item) for item in items_of(node)]
    items = [value if isinstance(value, dict) else {item_key: value} for value in values]
    return key, {"items": items} if items else {}


def _tag_specification(item: Tree) -> dict[str, Any]:
    tags = item.get("Tag", {})
    found = [{lower_first(key): value for key, value in tag.items()} for tag in items_of(tags) if isinstance(tag, dict)]
    return {"resourceType": item.get("ResourceType", ""), "tags": found}


def _plain(action: str, shape: Shape | None, node: Node) -> Any:
    return typed(shape, node) if isinstance(node, str) else _structure(action, shape, node)


def typed(shape: Shape | None, text: str) -> Any:
    """Return text as the type that the model gives it; text that does not fit stays text."""
    kind = "string" if shape is None else shape.type_name
    if kind == "boolean":
        return text.lower() == "true"
    if kind in {"integer", "long"} and text.removeprefix("-").isascii() and text.removeprefix("-").isdigit():
        return int(text)
    return text


def _read(shape: Shape | None, element: Element) -> Any:
    if isinstance(shape, ListShape):
        items = [_read(shape.member, child) for child in element]
        return {"items": items} if items else {}
    if not isinstance(shape, StructureShape) and len(element) == 0:
        return typed(shape, element.text or "")
    members = {}
    if isinstance(shape, StructureShape):
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    body: dict[str, Any] = {}
    for child in element:
        name = child.tag.rpartition("}")[2]
        if name == "return":
            body["_return"] = child.text == "true"
        else:
            body[name] = _read(members.get(name), child)
    return body
