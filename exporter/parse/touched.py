"""Which security groups and other resources a call touched, by kind of call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

from exporter.catalog import TAGGED_TYPES, Kind
from exporter.model import Resource
from exporter.parse.call import RULE_SETS, Call
from exporter.parse.dialect import LONGEST_LIST, as_list, follow, lowered, text

GROUP_TYPE = "AWS::EC2::SecurityGroup"
_LONGEST_ID = 128
_MOST_GROUPS = 1000
_MOST_RESOURCES = 1000
# The names under which 90 services take group ids: securityGroups, vpcSecurityGroupIds, vPCSecurityGroupIds,
# SecurityGroupId, SecurityGroupIdList, EC2's groupSet, ...
_GROUP_KEY = re.compile(r"security_?group(?:_?(?:ids?|id_?list|memberships?)|s)?$|^group_?set$", re.IGNORECASE)
# No group may be *named* sg-..., so text of this form under such a key is an id (EC2 CreateSecurityGroup).
_GROUP_ID = re.compile(r"sg-[0-9A-Za-z]{1,64}")


@dataclass(frozen=True, slots=True)
class Touched:
    """Groups (ids, or `name:<groupName>`) and all resources, the groups among them, each once and in order."""

    groups: tuple[str, ...] = ()
    resources: tuple[Resource, ...] = ()


def touched(call: Call) -> Touched:
    """Return what the call touched, as far as its record tells."""
    return _READERS.get(call.spec.kind, _named)(call)


def _target(call: Call) -> Touched:
    """Read the one group that the call is about; groups that its rules refer to are not touched."""
    group = text(call.request.get("groupid"), _LONGEST_ID)
    if group is None:
        in_rules = (lowered(rule).get("groupid") for key in RULE_SETS for rule in as_list(call.response.get(key))[:1])
        ids = (text(value, _LONGEST_ID) for value in (*in_rules, call.response.get("groupid")))
        group = next((value for value in ids if value is not None), None)
    if group is None:
        name = text(call.request.get("groupname"), 255)
        group = f"name:{name}" if name is not None else None
    groups = () if group is None else (group,)
    if not call.spec.resources:
        return Touched(groups, tuple(Resource(GROUP_TYPE, value) for value in groups))
    return _touched(groups, _at_paths(call))


def _vpc_resources(call: Call) -> Touched:
    """Read the resources that a new VPC is born with; the record names them by ARN."""
    resources = list(_listed(call))
    return _touched([resource.id for resource in resources if resource.type == GROUP_TYPE], [*resources, *_at_paths(call)])


def _named(call: Call) -> Touched:
    """Read the groups that the request names anywhere, and the resources where the catalog says they are.

    Where AWS left the request of an attachment out, the answer names the groups that are attached now.
    """
    resources = list(_at_paths(call))
    if not resources and call.spec.kind is Kind.GENERIC:
        resources = list(_listed(call))
    left_out = call.spec.kind is Kind.ATTACHMENT and call.request_left_out
    return _touched(_named_groups(call.response if left_out else call.request), resources)


def _only_paths(call: Call) -> Touched:
    return _touched((), _at_paths(call))


def _tagged(call: Call) -> Touched:
    resources = [
        Resource(resource_type, value)
        for value in follow(call.request, ("resourcesset", "resourceid"))
        for beginning, resource_type in TAGGED_TYPES
        if value.startswith(beginning)
    ]
    return _touched([resource.id for resource in resources if resource.type == GROUP_TYPE], resources)


_READERS: Mapping[Kind, Callable[[Call], Touched]] = MappingProxyType(
    {
        Kind.AUTHORIZE_INGRESS: _target,
        Kind.AUTHORIZE_EGRESS: _target,
        Kind.REVOKE_INGRESS: _target,
        Kind.REVOKE_EGRESS: _target,
        Kind.CREATE_GROUP: _target,
        Kind.DELETE_GROUP: _target,
        Kind.MODIFY_RULES: _target,
        Kind.DESCRIBE_INGRESS: _target,
        Kind.DESCRIBE_EGRESS: _target,
        Kind.VPC_ASSOCIATION: _target,
        Kind.VPC_RESOURCES: _vpc_resources,
        # The EC2 groups that a legacy group's rule names are its peers, not touched themselves.
        Kind.LEGACY_AUTHORIZE: _only_paths,
        Kind.LEGACY_REVOKE: _only_paths,
        Kind.PREFIX_LIST: _only_paths,
        Kind.TAGS: _tagged,
        Kind.ATTACHMENT: _named,
        Kind.GENERIC: _named,
    }
)


def _touched(groups: Iterable[str], resources: Iterable[Resource]) -> Touched:
    unique = tuple(islice(dict.fromkeys(groups), _MOST_GROUPS))
    both = dict.fromkeys((*(Resource(GROUP_TYPE, value) for value in unique), *resources))
    return Touched(unique, tuple(islice(both, _MOST_GROUPS + _MOST_RESOURCES)))


def _at_paths(call: Call) -> Iterable[Resource]:
    for path in call.spec.resources:
        section, *steps = path.steps
        for value in islice(follow(call.section(section), steps), _MOST_RESOURCES):
            yield Resource(path.type, value)


def _listed(call: Call) -> Iterable[Resource]:
    """Yield what the record itself lists as `resources`: groups by id, as elsewhere, all else as listed."""
    for entry in as_list(call.top.get("resources"))[:_MOST_RESOURCES]:
        fields = lowered(entry)
        arn = text(fields.get("arn"), 512)
        if arn is None:
            continue
        resource_type = text(fields.get("type"), _LONGEST_ID) or "unknown"
        own_id = arn.rpartition("/")[2] if call.spec.kind is Kind.VPC_RESOURCES or resource_type == GROUP_TYPE else arn
        if own_id:
            yield Resource(resource_type, own_id)


def _named_groups(request: Mapping[str, Any]) -> list[str]:
    """Return the groups under keys that take groups, in the order of the request."""
    found: dict[str, None] = {}
    stack: list[tuple[Any, bool]] = [(request, False)]
    visits = 0
    while stack and visits < LONGEST_LIST:
        node, inside = stack.pop()
        visits += 1
        if isinstance(node, str):
            if inside and _GROUP_ID.fullmatch(node):
                found[node] = None
        elif isinstance(node, dict):
            if inside:
                fields = lowered(node)
                group = text(fields.get("groupid"), _LONGEST_ID)
                name = text(fields.get("groupname"), 255) if group is None else None
                if group is not None or name is not None:
                    found[group or f"name:{name}"] = None
            for key, value in reversed(node.items()):
                within = inside or _GROUP_KEY.search(key) is not None
                if isinstance(value, dict | list) or (within and isinstance(value, str)):
                    stack.append((value, within))
        elif isinstance(node, list):
            stack.extend((value, inside) for value in reversed(node[:LONGEST_LIST]))
    return list(found)
