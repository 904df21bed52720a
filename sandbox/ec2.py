"""EC2 as AWS answers it where moto does not: rule sets, canonical addresses, groups in use, VPC associations, dry runs.

What a call changed is read from the rules of its group before and after, so the answer tells what really happened.
Source: Amazon EC2 API reference.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, TypeAlias
from urllib.parse import urlencode
from uuid import uuid4

from sandbox import ec2_xml
from sandbox.backend import EC2_VERSION, Answer, Backend, Environ, element_of
from sandbox.calls import Call
from sandbox.ec2_reads import Associations, Ec2Reads
from sandbox.ec2_state import Ec2State
from sandbox.form import items_of, text_of, texts_of, tree_of, trees_of
from sandbox.identities import partition_of
from sandbox.moto_groups import describe_rules, forget_rules
from sandbox.regions import regions_of

_NO_REQUEST_ID = b"request-id<"
"""moto gives all its EC2 answers this one id."""
_ADDRESSES = ("CidrIp", "CidrIpv4", "CidrIpv6")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One EC2 call with all that is needed to pass it on."""

    call: Call
    environ: Environ
    state: Ec2State
    group_id: str

    def pass_on(self, backend: Backend) -> Answer:
        """Return moto's answer to the call, its addresses made canonical as EC2 does."""
        form = {name: canonical(value) if name.rpartition(".")[2] in _ADDRESSES else value for name, value in self.call.form.items()}
        if self.group_id and self.call.action != "CreateSecurityGroup":
            # moto loses its way with names outside the default VPC.
            form.pop("GroupName", None)
            form["GroupId"] = self.group_id
        return backend.send(self.environ, urlencode(form).encode())


_Handler: TypeAlias = "Callable[[_Asked], Answer]"


class Ec2:
    """Answers EC2 calls."""

    def __init__(self, backend: Backend, associations: Associations) -> None:
        self._backend, self._associations = backend, associations
        self._reads = Ec2Reads(backend, associations)
        # A rule set tells what one call changed, so calls that change groups go one after the other.
        self._lock = threading.Lock()
        self._handlers: Mapping[str, _Handler] = {
            "AssociateSecurityGroupVpc": self._associate,
            "AuthorizeSecurityGroupEgress": self._authorize,
            "AuthorizeSecurityGroupIngress": self._authorize,
            "CreateSecurityGroup": self._create,
            "DeleteSecurityGroup": self._delete,
            "DescribeRegions": _regions,
            "DisassociateSecurityGroupVpc": self._associate,
            "ModifySecurityGroupRules": self._told_true,
            "RestoreManagedPrefixListVersion": self._restore,
            "RevokeSecurityGroupEgress": self._revoke,
            "RevokeSecurityGroupIngress": self._revoke,
            "UpdateSecurityGroupRuleDescriptionsEgress": self._describe,
            "UpdateSecurityGroupRuleDescriptionsIngress": self._describe,
        }

    def answer(self, call: Call, environ: Environ, body: bytes, account_id: str) -> Answer:
        """Return the answer to a call, with a request id of its own. A dry run changes nothing, whatever moto makes of it."""
        if call.form.get("DryRun", "").lower() == "true":
            return ec2_xml.failure("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        handler = self._handlers.get(call.action)
        state = Ec2State(self._backend, account_id, call.region)
        if self._reads.has(call.action):
            return _identified(self._reads.answer(call, environ, state))
        if handler is None:
            return _identified(self._backend.send(environ, body))
        with self._lock:
            group_id = call.form.get("GroupId") or state.group_named(call.form.get("GroupName", ""))
            return _identified(handler(_Asked(call, environ, state, group_id)))

    def _authorize(self, asked: _Asked) -> Answer:
        before = asked.state.rules(asked.group_id)
        answer = asked.pass_on(self._backend)
        if not answer.ok:
            forget_rules(asked.state.account_id, asked.state.region, asked.group_id, before)
            return answer
        added = [rule for rule_id, rule in asked.state.rules(asked.group_id).items() if rule_id not in before]
        return ec2_xml.success(asked.call.action, {"return": True, "securityGroupRuleSet": added})

    def _revoke(self, asked: _Asked) -> Answer:
        before = asked.state.rules(asked.group_id)
        answer = asked.pass_on(self._backend)
        if not answer.ok:
            return answer
        after = asked.state.rules(asked.group_id)
        removed = [_revoked(rule) for rule_id, rule in before.items() if rule_id not in after]
        if not removed:
            return ec2_xml.failure("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
        return ec2_xml.success(asked.call.action, {"return": True, "revokedSecurityGroupRuleSet": removed})

    def _create(self, asked: _Asked) -> Answer:
        answer = asked.pass_on(self._backend)
        if not answer.ok:
            return answer
        told = element_of(answer.body)
        body: dict[str, Any] = {"return": True, "groupId": told.findtext("groupId")}
        tags = _tags(asked.call)
        if tags:
            body["tagSet"] = tags
        return ec2_xml.success(asked.call.action, body | {"securityGroupArn": told.findtext("securityGroupArn")})

    def _delete(self, asked: _Asked) -> Answer:
        if asked.state.is_used(asked.group_id):
            return ec2_xml.failure("DependencyViolation", f"resource {asked.group_id} has a dependent object")
        answer = asked.pass_on(self._backend)
        return ec2_xml.success(asked.call.action, {"return": True, "groupId": asked.group_id}) if answer.ok else answer

    def _told_true(self, asked: _Asked) -> Answer:
        answer = asked.pass_on(self._backend)
        return ec2_xml.success(asked.call.action, {"return": True}) if answer.ok else answer

    def _describe(self, asked: _Asked) -> Answer:
        """Describe rules by what they allow, as moto can, or by their ids."""
        told = trees_of(items_of(tree_of(asked.call.form).get("SecurityGroupRuleDescription", {})))
        if not told:
            return self._told_true(asked)
        if not asked.group_id or not asked.state.has_group(asked.group_id):
            return ec2_xml.failure("InvalidGroup.NotFound", f"The security group '{asked.group_id}' does not exist")
        texts = {text_of(item, "SecurityGroupRuleId") or "": text_of(item, "Description") for item in told}
        where = (asked.state.account_id, asked.state.region, asked.group_id)
        missing = describe_rules(*where, texts, egress=asked.call.action.endswith("Egress"))
        if missing is not None:
            return ec2_xml.failure("InvalidSecurityGroupRuleId.NotFound", f"The security group rule ID '{missing:.80}' does not exist")
        return ec2_xml.success(asked.call.action, {"return": True})

    def _restore(self, asked: _Asked) -> Answer:
        """Make the entries of a prefix list those of an earlier version, which moto knows only by changing them."""
        form, state = asked.call.form, asked.state
        list_id = form.get("PrefixListId", "")
        if not state.has_prefix_list(list_id):
            return ec2_xml.failure("InvalidPrefixListID.NotFound", f"The prefix list ID '{list_id}' does not exist")
        now, then = (state.entries(list_id, form.get(name, "")) for name in ("CurrentVersion", "PreviousVersion"))
        fields = {"PrefixListId": list_id, "CurrentVersion": form.get("CurrentVersion", "")}
        added = [(cidr, about) for cidr, about in then.items() if now.get(cidr) != about]
        removed = [cidr for cidr in now if cidr not in then]
        for place, (cidr, about) in enumerate(added, 1):
            fields |= {f"AddEntry.{place}.Cidr": cidr, f"AddEntry.{place}.Description": about}
        fields |= {f"RemoveEntry.{place}.Cidr": cidr for place, cidr in enumerate(removed, 1)}
        answer = self._backend.call(
            "ec2", state.region, state.account_id, {"Action": "ModifyManagedPrefixList", "Version": EC2_VERSION, **fields}
        )
        return answer.with_body(answer.body.replace(b"ModifyManagedPrefixListResponse", b"RestoreManagedPrefixListVersionResponse"))

    def _associate(self, asked: _Asked) -> Answer:
        vpc_id = asked.call.form.get("VpcId", "")
        if not asked.state.has_group(asked.group_id):
            return ec2_xml.failure("InvalidGroup.NotFound", f"The security group '{asked.group_id}' does not exist")
        if not asked.state.has_vpc(vpc_id):
            return ec2_xml.failure("InvalidVpcID.NotFound", f"The vpc ID '{vpc_id}' does not exist")
        if asked.call.action.startswith("Associate"):
            self._associations.add(asked.state, asked.group_id, vpc_id)
            return ec2_xml.success(asked.call.action, {"state": "associating"})
        if not self._associations.remove(asked.state, asked.group_id, vpc_id):
            message = f"The security group '{asked.group_id}' is not associated with the vpc '{vpc_id}'"
            return ec2_xml.failure("InvalidSecurityGroupVpcAssociation.NotFound", message)
        return ec2_xml.success(asked.call.action, {"state": "disassociating"})


def _regions(asked: _Asked) -> Answer:
    """Answer DescribeRegions with the regions of the partition; those that must be opted into only if all are asked for."""
    form = asked.call.form
    all_of_them = form.get("AllRegions", "").lower() == "true"
    names = {value for name, value in form.items() if name.startswith("RegionName.")}
    tree = tree_of(form)
    filters = {
        text_of(item, "Name"): set(texts_of(item.get("Value"))) for item in trees_of(items_of(tree.get("Filter", {}))) if "Name" in item
    }
    known = regions_of(partition_of(asked.call.region))
    unknown = sorted(names - {name for name, _ in known})
    if unknown:
        return ec2_xml.failure("InvalidParameterValue", f"Invalid region(s): {', '.join(unknown)}")
    found = [
        {"regionName": name, "regionEndpoint": f"ec2.{name}.amazonaws.com{'.cn' if name.startswith('cn-') else ''}", "optInStatus": status}
        for name, status in known
        if (all_of_them or status != "not-opted-in" or name in names)
        and (not names or name in names)
        and name in filters.get("region-name", {name})
        and status in filters.get("opt-in-status", {status})
    ]
    return ec2_xml.success(asked.call.action, {"regionInfo": found})


def canonical(address: str) -> str:
    """Return an address range as EC2 stores it: the bits behind the prefix are zero. What is no range stays as it is."""
    try:
        return str(ip_network(address, strict=False)) if "/" in address else address
    except ValueError:
        return address


def _revoked(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule as RevokeSecurityGroup* answers it: no owner, no ARN, and the other group by its id alone."""
    kept = {name: value for name, value in rule.items() if name not in {"groupOwnerId", "securityGroupRuleArn", "referencedGroupInfo"}}
    if "referencedGroupInfo" in rule:
        kept["referencedGroupId"] = rule["referencedGroupInfo"]["groupId"]
    return kept


def _tags(call: Call) -> list[dict[str, Any]]:
    specifications = trees_of(items_of(tree_of(call.form).get("TagSpecification", {})))
    tags = [tag for item in specifications for tag in trees_of(items_of(item.get("Tag", {})))]
    return [{"key": tag.get("Key", ""), "value": tag.get("Value", "")} for tag in tags]


def _identified(answer: Answer) -> Answer:
    if _NO_REQUEST_ID not in answer.body:
        return answer
    return answer.with_body(answer.body.replace(_NO_REQUEST_ID, f"{uuid4()}<".encode(), 1))
