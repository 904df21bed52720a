"""EC2's lists that a picture of security groups is made of, in pages, and VPC associations, which moto does not keep.

Sources: Amazon EC2 API reference, the operations below (bounds of MaxResults, what may not go with it) and "Error codes".
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, SubElement, tostring

from sandbox import ec2_xml
from sandbox.backend import Answer, Backend, Environ, element_of
from sandbox.calls import Call
from sandbox.ec2_state import Ec2State
from sandbox.form import items_of, text_of, texts_of, tree_of, trees_of
from sandbox.pages import InvalidTokenError, Pages
from sandbox.wrapper import XMLNS

_PAGING = ("MaxResults", "NextToken")


@dataclass(frozen=True, slots=True)
class _Listing:
    """The list of an answer, what its members are known by, bounds of a page, how many there are unasked, what forbids pages."""

    members: str
    key: str
    least: int
    most: int
    unasked: int | None = None
    without: str = ""


_LISTINGS = {
    "DescribeManagedPrefixLists": _Listing("prefixListSet", "prefixListId", 1, 100, 100),
    "DescribeNetworkInterfaces": _Listing("networkInterfaceSet", "networkInterfaceId", 5, 1000, 1000, "NetworkInterfaceId"),
    "DescribeSecurityGroupRules": _Listing("securityGroupRuleSet", "securityGroupRuleId", 5, 1000, None, "SecurityGroupRuleId"),
    "DescribeSecurityGroups": _Listing("securityGroupInfo", "groupId", 5, 1000, None, "GroupId"),
    "DescribeSecurityGroupVpcAssociations": _Listing("securityGroupVpcAssociationSet", "vpcId", 5, 1000),
    "GetManagedPrefixListEntries": _Listing("entrySet", "cidr", 1, 100, 100),
}


class Associations:
    """Which groups are associated with further VPCs; what is asked for is done at once."""

    def __init__(self) -> None:
        self._kept: set[tuple[str, str, str, str]] = set()
        self._lock = threading.Lock()

    def add(self, state: Ec2State, group_id: str, vpc_id: str) -> None:
        """Associate a group with a VPC."""
        with self._lock:
            self._kept.add((state.account_id, state.region, group_id, vpc_id))

    def remove(self, state: Ec2State, group_id: str, vpc_id: str) -> bool:
        """End an association and return True; False where there is none."""
        kept = (state.account_id, state.region, group_id, vpc_id)
        with self._lock:
            known = kept in self._kept
            self._kept.discard(kept)
        return known

    def of(self, state: Ec2State) -> list[tuple[str, str]]:
        """Return group and VPC of each association of an account and region; those of groups and VPCs that are gone have ended."""
        unit = (state.account_id, state.region)
        with self._lock:
            found = sorted(kept[2:] for kept in self._kept if kept[:2] == unit)
        return [(group_id, vpc_id) for group_id, vpc_id in found if state.has_group(group_id) and state.has_vpc(vpc_id)]

    def forget(self) -> None:
        """End all associations, as the sandbox begins anew."""
        with self._lock:
            self._kept.clear()


class Ec2Reads:
    """Answers those reads."""

    def __init__(self, backend: Backend, associations: Associations) -> None:
        self._backend, self._associations = backend, associations
        self._pages = Pages()

    def has(self, action: str) -> bool:
        """Tell whether an action is answered here."""
        return action in _LISTINGS

    def answer(self, call: Call, environ: Environ, state: Ec2State) -> Answer:
        """Return a page of a list, or the error of EC2 to what is asked of it wrongly."""
        listing = _LISTINGS[call.action]
        form = {name: value for name, value in call.form.items() if name not in _PAGING}
        size, token = call.form.get("MaxResults"), call.form.get("NextToken")
        if listing.without and size is not None and any(name.startswith(f"{listing.without}.") for name in form):
            told = f"{listing.without[:1].lower()}{listing.without[1:]}s"
            return ec2_xml.failure("InvalidParameterCombination", f"The parameter {told} cannot be used with the parameter maxResults")
        number = listing.unasked if size is None else _number(size)
        if size is not None and (number is None or not listing.least <= number <= listing.most):
            bounds = f"between {listing.least} and {listing.most}"
            return ec2_xml.failure(
                "InvalidParameterValue", f"Value ( {size:.40} ) for parameter maxResults is invalid. Expecting a value {bounds}."
            )
        answer = self._whole(call, form, environ, state)
        if not answer.ok:
            return answer
        root = element_of(answer.body)
        found = root.find(listing.members)
        if found is None:
            found = SubElement(root, listing.members)
        request = (state.account_id, state.region, tuple(sorted(form.items())))
        try:
            page = self._pages.page(list(found), lambda item: _key(item, listing.key), number, token, request)
        except InvalidTokenError:
            return ec2_xml.failure("InvalidNextToken", "The specified NextToken is not valid.")
        if token or page.token:
            found[:] = page.members
        if page.token:
            SubElement(root, "nextToken").text = page.token
        root.set("xmlns", XMLNS)
        return answer.with_body(b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="utf-8"))

    def _whole(self, call: Call, form: dict[str, str], environ: Environ, state: Ec2State) -> Answer:
        if call.action == "DescribeSecurityGroupVpcAssociations":
            return self._associated(call, state)
        list_id = form.get("PrefixListId", "")
        if call.action == "GetManagedPrefixListEntries":
            version = state.prefix_list_version(list_id)
            if version is None:
                return ec2_xml.failure("InvalidPrefixListID.NotFound", f"The prefix list ID '{list_id:.80}' does not exist")
            target = form.get("TargetVersion")
            if target is not None and (_number(target) is None or not 1 <= int(target) <= version):
                return ec2_xml.failure("InvalidParameterValue", f"The prefix list {list_id} has no version {target:.40}.")
        return self._backend.send(environ, urlencode(form).encode())

    def _associated(self, call: Call, state: Ec2State) -> Answer:
        asked = trees_of(items_of(tree_of(call.form).get("Filter", {})))
        filters = {text_of(item, "Name"): set(texts_of(item.get("Value"))) for item in asked}
        names = {"group-id": "groupId", "group-owner-id": "groupOwnerId", "state": "state", "vpc-id": "vpcId", "vpc-owner-id": "vpcOwnerId"}
        unknown = sorted(str(name) for name in filters if name not in names)
        if unknown:
            return ec2_xml.failure("InvalidParameterValue", f"The filter '{unknown[0]:.80}' is invalid")
        owner = state.account_id
        rows = [
            {"groupId": group_id, "vpcId": vpc_id, "vpcOwnerId": owner, "state": "associated", "groupOwnerId": owner}
            for group_id, vpc_id in self._associations.of(state)
        ]
        found = [row for row in rows if all(row[names[str(name)]] in values for name, values in filters.items())]
        return ec2_xml.success(call.action, {"securityGroupVpcAssociationSet": found})


def _key(item: Element, name: str) -> str:
    # A group may be associated with many VPCs, and a VPC with many groups.
    return f"{item.findtext(name, '')} {item.findtext('groupId', '')}" if name == "vpcId" else item.findtext(name, "")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
