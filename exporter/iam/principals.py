"""Who needs what: statements and trust of the hub, of the roles in the watched accounts, and of every other role on the way."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.aws import Permission, RoleSettings
from exporter.config import Config
from exporter.doctor.base import role_chains
from exporter.errors import ConfigError
from exporter.iam.grants import HUB, MEMBER, members, organization_roles, permissions

_MOST_SID = 64
_HOUR = 3600

Condition = tuple[tuple[str, str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """What one purpose needs, as one statement of a policy."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Condition = ()

    def document(self) -> dict[str, Any]:
        """Return it as a policy has it."""
        document: dict[str, Any] = {"Sid": self.sid, "Effect": "Allow", "Action": list(self.actions), "Resource": list(self.resources)}
        if self.condition:
            block: dict[str, dict[str, list[str]]] = {}
            for operator, key, values in self.condition:
                block.setdefault(operator, {})[key] = list(values)
            document["Condition"] = block
        return document


@dataclass(frozen=True, slots=True)
class Trust:
    """Who assumes a role, `hub` or the ARN of another role, and with which external id ("" for none)."""

    caller: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Principal:
    """One principal of the configuration: `hub`, `member` or the ARN of a role.

    `roles` are the ARNs that it stands for, with `*` for the accounts of an organization; none for the hub. `trusts` are in the
    order of the configuration. `session_seconds` is the longest session that is asked for.
    """

    name: str
    statements: tuple[Statement, ...]
    roles: tuple[str, ...] = ()
    trusts: tuple[Trust, ...] = ()
    session_seconds: int = field(default=_HOUR)

    def policy(self) -> dict[str, Any]:
        """Return its policy."""
        return {"Version": "2012-10-17", "Statement": [statement.document() for statement in self.statements]}

    def role(self) -> tuple[str, str]:
        """Return path and name of its role; raise ConfigError where its accounts have roles of several names."""
        names = sorted({role.partition(":role/")[2] for role in self.roles})
        if len(names) != 1:
            raise ConfigError(f"--for: the accounts' roles have {len(names)} names ({', '.join(names[:5])}); choose one role by its ARN")
        path, _, name = names[0].rpartition("/")
        return f"/{path}/" if path else "/", name


def principals(config: Config, hub: str = "", history: Collection[str] = ()) -> tuple[Principal, ...]:
    """Return every principal that needs anything, the hub first, then the members, then the other roles in the order of the configuration.

    A role that is both an account's and on the way to others stands apart, with all that it needs. `hub` is the ARN of the hub, "" if it
    is not known. `history` names the places (HISTORY) that people ask from the command line as these principals.
    """
    grants = permissions(config, history)
    if not grants:
        return ()
    shared = [permission for permission in grants if permission.who == MEMBER]
    apart = list(dict.fromkeys(permission.who for permission in grants if permission.who not in (HUB, MEMBER)))
    known = _trusts(config)
    lengths = _sessions(config)
    found: list[Principal] = []
    of_hub = [permission for permission in grants if permission.who == HUB] + (shared if _watches_itself(config, hub) else [])
    if of_hub:
        found.append(Principal(HUB, statements(of_hub)))
    accounts = (*(account.role_arn for account in config.aws.accounts), *organization_roles(config))
    if members(config) and shared:
        plain = tuple(dict.fromkeys(role for role in accounts if role not in apart))
        trusts = tuple(dict.fromkeys(trust for role in plain for trust in known[role]))
        if plain:
            seconds = max(lengths.get(role, _HOUR) for role in plain)
            found.append(Principal(MEMBER, statements(shared), plain, trusts, seconds))
    for role in apart:
        own = [permission for permission in grants if permission.who == role] + (shared if role in accounts else [])
        found.append(Principal(role, statements(own), (role,), tuple(dict.fromkeys(known.get(role, ()))), lengths.get(role, _HOUR)))
    return tuple(found)


def _watches_itself(config: Config, hub: str) -> bool:
    """Tell whether the hub reads its own account: as one of the organization it does so by itself, not by the role."""
    organization = config.aws.organization
    own = hub.split(":")[4] if hub else ""
    if own in [account.account_id for account in config.aws.accounts]:
        return False
    if config.aws.watches_own_account or organization is None:
        return config.aws.watches_own_account
    return own not in organization.exclude and (not own or not organization.include or own in organization.include)


def choose(config: Config, name: str, hub: str = "", history: Collection[str] = ()) -> Principal:
    """Return one principal by its name, or by the ARN of an account's role; raise ConfigError where the configuration has none such."""
    found = {principal.name: principal for principal in principals(config, hub, history)}
    if name in found:
        return found[name]
    member = found.get(MEMBER)
    anywhere = re.sub(r"(?<=:iam::)\d{12}(?=:role/)", "*", name)
    listed = [role for role in member.roles if role in (name, anywhere)] if member is not None else []
    if member is not None and listed:
        known = _trusts(config)
        trusts = tuple(dict.fromkeys(trust for role in listed for trust in known[role]))
        return replace(member, name=name, roles=(name,), trusts=trusts, session_seconds=_sessions(config).get(name, _HOUR))
    raise ConfigError(f"--for: this configuration has no principal {name!r:.120}; choose from {', '.join(found) or 'none'}")


def statements(needed: Iterable[Permission]) -> tuple[Statement, ...]:
    """Return permissions as statements, one for each purpose, resources and condition; what was granted before is not granted again."""
    granted: dict[tuple[str, Condition], set[str]] = {}
    grouped: dict[tuple[str, tuple[str, ...], Condition], list[str]] = {}
    for permission in _merged(needed):
        before = granted.setdefault((permission.action, permission.condition), set())
        resources = tuple(sorted(set(permission.resources) - before)) if "*" not in before else ()
        if resources:
            before.update(resources)
            grouped.setdefault((permission.why, resources, permission.condition), []).append(permission.action)
    sids: set[str] = set()
    made: list[Statement] = []
    for (why, resources, condition), actions in grouped.items():
        made.append(Statement(_sid(why, sids), tuple(sorted(actions)), resources, condition))
        sids.add(made[-1].sid)
    return tuple(made)


def _merged(needed: Iterable[Permission]) -> Iterator[Permission]:
    """Yield permissions with those that differ in their resources alone made one."""
    merged: dict[tuple[str, str, Condition], list[str]] = {}
    for permission in needed:
        merged.setdefault((permission.action, permission.why, permission.condition), []).extend(permission.resources)
    for (action, why, condition), resources in merged.items():
        yield Permission(action, tuple(dict.fromkeys(resources)), why, condition=condition)


def _sid(why: str, taken: set[str]) -> str:
    """Return a statement id, which may hold ASCII letters and digits only and must be unique in a policy."""
    words = re.findall(r"[A-Za-z0-9]+", why)
    sid = "".join(word[0].upper() + word[1:] for word in words)[:_MOST_SID] or "Statement"
    number = 2
    unique = sid
    while unique in taken:
        unique, number = f"{sid}{number}", number + 1
    return unique


def _chains(config: Config) -> Iterator[tuple[RoleSettings, ...]]:
    for account in config.aws.accounts:
        yield (*account.via, account)
    if config.aws.organization is not None:
        yield config.aws.organization.via
    yield from role_chains(config)


def _trusts(config: Config) -> dict[str, list[Trust]]:
    """Return for each role who assumes it."""
    trusts: dict[str, list[Trust]] = {}
    for chain in _chains(config):
        caller = HUB
        for role in chain:
            trusts.setdefault(role.role_arn, []).append(Trust(caller, role.external_id))
            caller = role.role_arn
    organization = config.aws.organization
    if organization is not None:
        last = organization.via[-1].role_arn if organization.via else HUB
        for arn in organization_roles(config):
            trusts.setdefault(arn, []).append(Trust(last, organization.external_id))
    return trusts


def _sessions(config: Config) -> dict[str, int]:
    """Return the longest session of each role, in seconds."""
    lengths: dict[str, int] = {}
    roles: Sequence[RoleSettings] = [role for chain in _chains(config) for role in chain]
    for role in roles:
        lengths[role.role_arn] = max(lengths.get(role.role_arn, _HOUR), int(role.session_duration.total_seconds()))
    return lengths
