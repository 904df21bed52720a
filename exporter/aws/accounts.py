"""Which accounts are watched: those listed, those of the organization, and one's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from exporter.aws.base import Account, Accounts, Caller, Identity
from exporter.aws.operations import LIST_ACCOUNTS
from exporter.aws.settings import AwsSettings, OrganizationSettings, RoleSettings
from exporter.errors import AwsError, SourceError
from exporter.text import visible

_ACTIVE = "ACTIVE"
_ACCOUNT_ID = re.compile(r"\d{12}")


def watched_accounts(
    settings: AwsSettings, identity: Callable[[], Identity], organization_caller: Callable[[OrganizationSettings], Caller]
) -> Accounts:
    """Return the accounts to watch, in the order listed, discovered, own. Raises AwsError where none can be told."""
    accounts = {listed.account_id: _listed(listed) for listed in settings.accounts}
    failures: list[tuple[str, SourceError]] = []
    if settings.organization is not None:
        try:
            missing = set(settings.organization.include) - set(settings.organization.exclude)
            own, none = _own_id(identity), True
            for found in _discovered(settings.organization, organization_caller(settings.organization), own):
                none = False
                missing.discard(found.account_id)
                if found.account_id != own or settings.own_account is not False:
                    accounts.setdefault(found.account_id, found)
            if none:
                failures.append(
                    ("", AwsError("not_found", "the organization lists no active account to watch; check organization.include"))
                )
            failures += [(account_id, _not_there(account_id)) for account_id in sorted(missing)]
        except AwsError as error:
            failures.append(("", error))
    if settings.watches_own_account:
        try:
            me = identity()
            accounts.setdefault(me.account_id, Account(me.account_id, me.partition))
        except AwsError as error:
            failures.append(("", error))
    if failures and not accounts:
        raise failures[0][1]
    return Accounts(tuple(accounts.values()), tuple(failures))


def _listed(listed: Any) -> Account:
    role = RoleSettings(
        role_arn=listed.role_arn,
        external_id=listed.external_id,
        session_name=listed.session_name,
        session_duration=listed.session_duration,
    )
    return Account(listed.account_id, listed.partition, listed.name, (*listed.via, role), listed.regions)


def _not_there(account_id: str) -> AwsError:
    return AwsError(
        "not_found",
        f"the account {account_id} of organization.include is no active account of the organization; take it out, or check its number",
    )


def _own_id(identity: Callable[[], Identity]) -> str:
    """Return the own account; the organization may be listed by a role although nobody can tell who assumes it."""
    try:
        return identity().account_id
    except AwsError:
        return ""


def _discovered(settings: OrganizationSettings, caller: Caller, own: str) -> Iterator[Account]:
    for page in caller.pages(LIST_ACCOUNTS):
        for told in page.get("Accounts", ()):
            account_id = str(told.get("Id", ""))
            if _ACCOUNT_ID.fullmatch(account_id) and _is_active(told) and _is_chosen(settings, account_id):
                yield _member(settings, account_id, told, caller.partition, own)


def _is_chosen(settings: OrganizationSettings, account_id: str) -> bool:
    return account_id not in settings.exclude and (not settings.include or account_id in settings.include)


def _is_active(told: Mapping[str, Any]) -> bool:
    # `State` takes the place of `Status`, which AWS retires in September 2026.
    return (told.get("State") or told.get("Status")) == _ACTIVE


def _member(settings: OrganizationSettings, account_id: str, told: Mapping[str, Any], partition: str, own: str) -> Account:
    arn = str(told.get("Arn", ""))
    partition = arn.split(":")[1] if arn.count(":") >= 5 else partition
    name = visible(str(told.get("Name", "")), 64)
    if account_id == own:
        return Account(account_id, partition, name)
    role = RoleSettings(
        role_arn=f"arn:{partition}:iam::{account_id}:role/{settings.role_name.lstrip('/')}",
        external_id=settings.external_id,
        session_name=settings.session_name,
    )
    return Account(account_id, partition, name, (*settings.via, role))
