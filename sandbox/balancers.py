"""Network interfaces of load balancers, which moto does not make: one in each subnet, public where the balancer faces the internet.

Sources: Elastic Load Balancing user guides ("the load balancer's network interfaces" are described as `ELB app/NAME/ID`, for a classic one
`ELB NAME`, and are managed by the requester amazon-elb); EC2 API reference, NetworkInterface.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from moto.ec2.models import ec2_backends
from moto.ec2.utils import random_public_ip

from sandbox.backend import Answer
from sandbox.calls import Call
from sandbox.config_items import Inventory

REQUESTER = "amazon-elb"
_SERVICES = frozenset({"cloudformation", "elasticloadbalancing"})


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the interfaces of a load balancer are to be."""

    description: str
    subnets: frozenset[str]
    groups: tuple[str, ...]
    public: bool
    kind: str


class Balancers:
    """Keeps those interfaces as the load balancers are."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._lock = threading.Lock()

    def changed(self, call: Call, answer: Answer, account_id: str) -> None:
        """Make, change and remove interfaces after a call that may have changed load balancers."""
        if call.service not in _SERVICES or call.read_only or not answer.ok:
            return
        ec2 = ec2_backends[account_id][call.region]
        with self._lock:
            wanted = {one.description: one for one in self._wanted(account_id, call.region)}
            there: dict[tuple[str, str], Any] = {}
            for interface in list(ec2.enis.values()):
                if interface.requester_id != REQUESTER:
                    continue
                balancer = wanted.get(interface.description)
                if balancer is None or interface.subnet.id not in balancer.subnets:
                    ec2.delete_network_interface(interface.id)
                else:
                    there[interface.description, interface.subnet.id] = interface
            for balancer in wanted.values():
                for subnet_id in sorted(balancer.subnets):
                    kept = there.get((balancer.description, subnet_id))
                    interface = kept if kept is not None else _made(ec2, balancer, subnet_id)
                    interface._group_set = [ec2.get_security_group_from_id(group_id) for group_id in balancer.groups]  # noqa: SLF001 - moto has no other way

    def _wanted(self, account_id: str, region: str) -> Iterator[_Wanted]:
        for resource in self._inventory.balancers(account_id, region):
            told: Mapping[str, Any] = resource.configuration
            classic = "loadBalancerArn" not in told
            subnets = told.get("subnets", []) if classic else [zone["subnetId"] for zone in told.get("availabilityZones", [])]
            name = resource.name if classic else resource.arn.partition(":loadbalancer/")[2]
            kind = "network_load_balancer" if told.get("type") == "network" else "interface"
            public = told.get("scheme", "internet-facing") == "internet-facing"
            yield _Wanted(f"ELB {name}", frozenset(subnets), tuple(told.get("securityGroups", [])), public, kind)


def _made(ec2: Any, balancer: _Wanted, subnet_id: str) -> Any:
    interface = ec2.create_network_interface(ec2.get_subnet(subnet_id), None, description=balancer.description)
    interface.requester_id, interface.requester_managed, interface.status = REQUESTER, True, "in-use"
    interface.interface_type = balancer.kind
    interface.public_ip = random_public_ip() if balancer.public else None
    interface.managed_attachment = SimpleNamespace(
        attachment_id=f"ela-attach-{uuid4().hex[:17]}",
        attach_time=None,
        delete_on_termination=False,
        device_index=1,
        instance_id=None,
        instance_owner_id=REQUESTER,
        network_card_index=0,
        status="attached",
    )
    return interface
