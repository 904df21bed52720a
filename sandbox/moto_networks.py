"""Has moto's EC2 keep prefix lists, interfaces and addresses as EC2 does, where moto loses or mixes up what it was told.

- A changed prefix list keeps its name, an entry that is there already gets the new description, a stale version is refused.
- An interface has its own groups alone; those of its instance are those of its first interface, which ends with the instance.
- Elastic IP addresses are public ones. A load balancer faces the internet unless it is told not to.
- An interface that a service manages is attached by that service.

Source: Amazon EC2 API reference, ModifyManagedPrefixList, ModifyInstanceAttribute, RunInstances.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from moto.ec2 import exceptions
from moto.ec2.models import elastic_ip_addresses
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance
from moto.ec2.models.managed_prefixes import ManagedPrefixList, ManagedPrefixListBackend
from moto.ec2.utils import random_public_ip
from moto.elbv2.models import ELBv2Backend

from sandbox.identities import partition_of

_MARK = "_sandbox_corrected"


def correct() -> None:
    """Correct this process's moto from now on; again is nothing."""
    if hasattr(Instance.prep_nics, _MARK):
        return
    prepare = _ending_with_it(Instance.prep_nics)
    setattr(prepare, _MARK, True)
    overrides: tuple[tuple[type, str, Any], ...] = (
        (Instance, "prep_nics", prepare),
        (Instance, "security_groups", property(_groups, _set_groups)),
        (ManagedPrefixList, "arn", _list_arn),
        (ManagedPrefixListBackend, "modify_managed_prefix_list", _modify_list),
        (NetworkInterface, "group_set", property(lambda interface: interface._group_set)),  # noqa: SLF001 - moto has no other way
        (NetworkInterface, "attachment", property(_attachment(NetworkInterface.attachment))),
        (NetworkInterface, "managed_attachment", None),
        (ELBv2Backend, "create_load_balancer", _facing(ELBv2Backend.create_load_balancer)),
    )
    for kind, name, value in overrides:
        setattr(kind, name, value)
    vars(elastic_ip_addresses)["random_ip"] = random_public_ip


def _list_arn(prefix_list: Any, region: str, owner_id: str) -> str:
    # Those of AWS have no account.
    return f"arn:{partition_of(region)}:ec2:{region}:{owner_id.lower()}:prefix-list/{prefix_list.id}"


def _modify_list(backend: Any, add_entry: Any, remove_entry: Any, prefix_list_id: Any = None, *rest: Any, **named: Any) -> Any:
    told = dict(zip(("current_version", "prefix_list_name"), rest, strict=False)) | named
    found = backend.managed_prefix_lists.get(prefix_list_id)
    if found is None:
        raise exceptions.EC2ClientError("InvalidPrefixListID.NotFound", f"The prefix list ID '{prefix_list_id}' does not exist")
    if found.owner_id == "AWS":
        raise exceptions.EC2ClientError("UnauthorizedOperation", "You are not authorized to perform this operation.")
    found.prefix_list_name = told.get("prefix_list_name") or found.prefix_list_name
    if add_entry or remove_entry:
        current = told.get("current_version")
        if current is None or str(current) != str(found.version):
            raise exceptions.EC2ClientError("PrefixListVersionMismatch", "The prefix list has the incorrect version number.")
        entries = {entry["Cidr"]: entry for entry in found.entries.get(found.version) or []}
        for entry in remove_entry:
            if entries.pop(entry["Cidr"], None) is None:
                raise exceptions.EC2ClientError("InvalidParameterValue", f"The CIDR {entry['Cidr']} is not in the prefix list.")
        entries |= {entry["Cidr"]: entry for entry in add_entry}
        if found.max_entries and len(entries) > int(found.max_entries):
            raise exceptions.EC2ClientError("PrefixListMaxEntriesExceeded", "The prefix list has no room for so many entries.")
        found.version += 1
        found.entries[found.version] = list(entries.values())
    found.state = "modify-complete"
    return found


def _ending_with_it(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def prepare(instance: Any, nic_spec: list[dict[str, Any]], *rest: Any, **named: Any) -> None:
        asked = {int(nic.get("DeviceIndex", 0)): nic for nic in nic_spec}
        original(instance, nic_spec, *rest, **named)
        for index, interface in instance.nics.items():
            nic = asked.get(index, {})
            told = nic.get("DeleteOnTermination")
            if not nic.get("NetworkInterfaceId") and (told is None or str(told).lower() == "true"):
                interface.delete_on_termination = True

    return prepare


def _groups(instance: Any) -> Any:
    """Return the groups of an instance: those of its first interface, as soon as it has one."""
    interface = vars(instance).get("nics", {}).get(0)
    return instance.told_groups if interface is None else interface._group_set  # noqa: SLF001 - moto has no other way


def _set_groups(instance: Any, groups: list[Any]) -> None:
    instance.told_groups = groups
    interface = vars(instance).get("nics", {}).get(0)
    if interface is not None:
        interface._group_set = list(groups)  # noqa: SLF001 - moto has no other way


def _attachment(original: Any) -> Callable[[Any], Any]:
    def attachment(interface: Any) -> Any:
        return interface.managed_attachment or original.fget(interface)

    return attachment


def _facing(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def create(backend: Any, *rest: Any, scheme: str | None = None, **named: Any) -> Any:
        return original(backend, *rest, scheme=scheme or "internet-facing", **named)

    return create
