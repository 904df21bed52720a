"""What a service does as whoever called it: allowed or not as if he did it himself, and counted.

Source: Athena user guide, "Identity and access management in Athena": tables of AWS Glue and objects of S3 are read with the caller's own
permissions.
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.actions import Action, ActionLog
from sandbox.asked import Asked
from sandbox.calls import Call
from sandbox.gate import Gate
from sandbox.identities import Identity


class OnBehalf:
    """Asks for permission, as the caller of a service; the user agent of such a request is the service's name."""

    def __init__(self, gate: Gate, actions: ActionLog) -> None:
        self._gate, self._actions = gate, actions

    def refused(self, call: Call, identity: Identity, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
        """Tell whether an action on an ARN is not allowed."""
        where = {"aws:RequestedRegion": call.region, "aws:PrincipalArn": identity.principal_arn(call.region), **(context or {})}
        asked = Asked(action, resource, {**where, "aws:PrincipalAccount": identity.account_id})
        refused = self._gate.refuses(call.access_key, identity, call.region, asked)
        agent, arn = f"{call.service}.amazonaws.com", identity.principal_arn(call.region)
        self._actions.add(Action(action, identity.account_id, call.region, call.access_key, arn, agent, allowed=not refused))
        return refused
