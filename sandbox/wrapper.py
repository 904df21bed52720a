"""The wrapper dialect, in which CloudTrail logs the newer EC2 calls: XML turned to JSON, PascalCase, under `<Call>Request`.

A list of one is that one and a longer list an array; its members carry `tag`, their position from 1, and a plain
member its `content`; an empty element is ""; text that looks like a number, true or false becomes one (as the
XML class of org.json does).
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element

from sandbox.form import Node, Tree, is_list, items_of

XMLNS = "http://ec2.amazonaws.com/doc/2016-11-15/"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_WRAPPED = re.compile(
    r"ModifySecurityGroupRules|UpdateSecurityGroupRuleDescriptions|SecurityGroupVpc|DescribeSecurityGroupRules"
    r"|ManagedPrefixList|NatGateway|FlowLogs|VpcEndpoint|LaunchTemplate|TransitGateway|ClientVpn|CapacityReservation"
    r"|(?:Create|Modify|Delete)Fleet|InstanceConnectEndpoint"
)


def is_wrapped(action: str) -> bool:
    """Tell whether CloudTrail logs an EC2 call in this dialect."""
    return _WRAPPED.search(action) is not None


def asked(action: str, tree: Tree) -> dict[str, Any]:
    """Return requestParameters of a call: the wire names of the form are this dialect's keys."""
    return {f"{action}Request": {name: _value(node) for name, node in tree.items()} or ""}


def answered(action: str, answer: Element, request_id: str) -> dict[str, Any]:
    """Return responseElements of a call that succeeded; the request id stands first, as AWS has it."""
    body = _element(answer)
    rest = {name: value for name, value in body.items() if name != "requestId"} if isinstance(body, dict) else {}
    return {f"{action}Response": {"xmlns": XMLNS, "requestId": request_id, **rest}}


def coerced(text: str) -> str | int | float | bool:
    """Return text as the type that it looks like."""
    if text in {"true", "false"}:
        return text == "true"
    if _NUMBER.fullmatch(text) is None or len(text) > 18:
        return text
    return float(text) if "." in text else int(text)


def _value(node: Node) -> Any:
    if isinstance(node, str):
        return coerced(node)
    if not is_list(node):
        return {name: _value(below) for name, below in node.items()}
    members = [_member(item, tag) for tag, item in enumerate(items_of(node), 1)]
    return members[0] if len(members) == 1 else members


def _member(item: Node, tag: int) -> dict[str, Any]:
    if isinstance(item, str):
        return {"tag": tag, "content": coerced(item)}
    return {**{name: _value(below) for name, below in item.items()}, "tag": tag}


def _element(element: Element) -> Any:
    if len(element) == 0:
        return coerced(element.text or "")
    found: dict[str, Any] = {}
    for child in element:
        name, value = child.tag.rpartition("}")[2], _element(child)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found
