"""Policies and trust policies as IAM's own JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from exporter.errors import ConfigError
from exporter.iam.grants import HUB
from exporter.iam.principals import Principal

LONGEST_POLICY = 6144
"""Characters that a managed policy may have, white space not counted. Source: IAM user guide, quotas."""

_CALLER = re.compile(r"arn:(aws|aws-us-gov|aws-cn|aws-iso|aws-iso-b):iam::\d{12}:(root|(role|user)/[\w+=,.@/-]+)")


def policies(chosen: tuple[Principal, ...], _hub: str) -> str:
    """Return the policy of the one principal, or an object of the policies of several by their names."""
    return _written({principal.name: principal.policy() for principal in chosen})


def trusts(chosen: tuple[Principal, ...], hub: str) -> str:
    """Return the trust policy of the one role, or an object of those of several by name; raise ConfigError where one cannot be told."""
    roles = [principal for principal in chosen if principal.roles]
    if not roles:
        raise ConfigError("--format trust: this configuration assumes no role, so there is nothing that must trust anybody")
    return _written({principal.name: trust(principal, hub) for principal in roles})


def trust(principal: Principal, hub: str) -> dict[str, Any]:
    """Return the trust policy of a role; raise ConfigError where the hub's ARN is needed and not known."""
    statements = []
    for number, (callers, external_id) in enumerate(trusted(principal), 1):
        arns = [caller_arn(caller, hub) for caller in callers]
        statements.append(trust_statement(arns if len(arns) > 1 else arns[0], external_id, number))
    return {"Version": "2012-10-17", "Statement": statements}


def trusted(principal: Principal) -> list[tuple[tuple[str, ...], str]]:
    """Return who assumes a role, by external id; raise ConfigError where the roles that it stands for have several."""
    by_id: dict[str, list[str]] = {}
    for one in principal.trusts:
        by_id.setdefault(one.external_id, []).append(one.caller)
    if len(by_id) > 1 and len(principal.roles) > 1:
        raise ConfigError(f"--for {principal.name}: its {len(principal.roles)} roles have different external ids; choose one by its ARN")
    return [(tuple(dict.fromkeys(callers)), external_id) for external_id, callers in by_id.items()]


def trust_statement(callers: Any, external_id: str, number: int = 1) -> dict[str, Any]:
    """Return one statement of a trust policy; `callers` are what a form writes for ARNs."""
    statement: dict[str, Any] = {
        "Sid": "AwsChangeExporter" if number == 1 else f"AwsChangeExporter{number}",
        "Effect": "Allow",
        "Principal": {"AWS": callers},
        "Action": "sts:AssumeRole",
    }
    if external_id:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return statement


def caller_arn(caller: str, hub: str) -> str:
    """Return the ARN of who assumes a role; raise ConfigError where it is the hub and nobody told its ARN."""
    if caller != HUB:
        return caller
    if not hub:
        raise ConfigError(
            "--hub-arn: the role must trust whoever the exporter runs as; name it, as arn:aws:iam::111122223333:role/NAME "
            "(`aws sts get-caller-identity`, asked with the exporter's credentials, tells it)"
        )
    return hub


def check_hub(hub: str) -> str:
    """Return the ARN of a role, user or account root; raise ConfigError for anything else, a session of a role too."""
    if hub and not _CALLER.fullmatch(hub):
        session = re.fullmatch(r"arn:([\w-]+):sts::(\d{12}):assumed-role/([^/]+)/.+", hub)
        meant = f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}" if session else "arn:aws:iam::111122223333:role/NAME"
        raise ConfigError(f"--hub-arn: {hub!r:.200} is no ARN of a role, user or account root; write it as {meant}")
    return hub


def size(principal: Principal) -> int:
    """Return the characters of a policy as IAM counts them."""
    return len(json.dumps(principal.policy(), separators=(",", ":"), ensure_ascii=False))


def _written(documents: dict[str, dict[str, Any]]) -> str:
    alone = next(iter(documents.values())) if len(documents) == 1 else documents
    return json.dumps(alone, indent=2) + "\n"
