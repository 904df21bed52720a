"""Who may list the accounts of an organization, which moto lets anybody do.

Source: AWS Organizations API reference, ListAccounts and its errors.
"""

from __future__ import annotations

from sandbox import json_answers
from sandbox.backend import Answer, Backend
from sandbox.calls import Call
from sandbox.identities import Identity

_TARGET = "AWSOrganizationsV20161128."


class ListAccounts:
    """Answers ListAccounts: the management account and delegated administrators see all accounts, others an error."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __call__(self, call: Call, identity: Identity) -> Answer:
        """Return a page of accounts."""
        described = self._backend.json_call("organizations", f"{_TARGET}DescribeOrganization", identity.account_id, call.region, {})
        master = described.get("Organization", {}).get("MasterAccountId")
        if master is None:
            return json_answers.failure("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
        if identity.account_id != master:
            listed = self._backend.json_call("organizations", f"{_TARGET}ListDelegatedAdministrators", master, call.region, {})
            if identity.account_id not in {item["Id"] for item in listed.get("DelegatedAdministrators", [])}:
                return json_answers.failure("AccessDeniedException", "You don't have permissions to access this resource.")
        return self._backend.json_answer("organizations", f"{_TARGET}ListAccounts", master, call.region, call.document or {})
