"""AWS as configured: one session, one pool of connections, and the credentials of every account, made and kept here."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from botocore.exceptions import BotoCoreError
from botocore.session import Session

from exporter.aws.accounts import watched_accounts
from exporter.aws.base import Account, Accounts, Identity, Requests
from exporter.aws.caller import AwsCaller, Road, date_of
from exporter.aws.credentials import Credentials, DefaultCredentials, Keys, RoleCredentials
from exporter.aws.endpoints import Endpoints
from exporter.aws.models import Models
from exporter.aws.operations import ASSUME_ROLE, DESCRIBE_REGIONS, GET_CALLER_IDENTITY
from exporter.aws.pacing import Pacer
from exporter.aws.sender import Sender
from exporter.aws.settings import AwsSettings, OrganizationSettings, RoleSettings
from exporter.aws.transport import Transport
from exporter.errors import AwsError
from exporter.settings import ALL
from exporter.text import visible

NO_REGION = "no AWS region is given; set aws.regions in the configuration, or AWS_REGION in the environment, or region in the AWS profile"
_COLONS_OF_ARN = 5


class AwsSession:
    """All that the exporter has of AWS; see exporter.aws.base.Aws. `now` is a clock in seconds that never goes back."""

    def __init__(self, settings: AwsSettings, requests: Requests, now: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._now = settings, now
        self._session = Session(profile=settings.profile or None)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._identity: Identity | None = None
        self._regions: dict[tuple[str, tuple[RoleSettings, ...]], tuple[float, tuple[str, ...]]] = {}
        self._roles: dict[tuple[RoleSettings, ...], Credentials] = {}
        try:
            bundle = self._session.get_config_variable("ca_bundle")
        except BotoCoreError as error:
            raise AwsError("credentials", f"the AWS configuration cannot be read: {visible(str(error), 300)}; check aws.profile") from None
        self._transport = Transport(settings.connect_timeout.total_seconds(), settings.read_timeout.total_seconds(), bundle)
        self._default = DefaultCredentials(self._session, self._who)
        self._road = Road(
            Sender(self._transport, requests, self._stop),
            Endpoints(self._session, settings.endpoint_url),
            Models(self._session),
            Pacer(settings.lookup_rate, self._stop.wait),
        )

    def identity(self) -> Identity:
        """Return who the default credentials are; see Aws."""
        with self._asking:
            if self._identity is None:
                told = self.caller(self._home_region()).call(GET_CALLER_IDENTITY)
                account_id, arn = str(told.get("Account", "")), str(told.get("Arn", ""))
                if not account_id or arn.count(":") < _COLONS_OF_ARN:
                    raise AwsError("unreadable", f"{GET_CALLER_IDENTITY.action} did not tell who we are: {visible(arn, 100)!r}")
                self._identity = Identity(account_id, arn, arn.split(":")[1])
            return self._identity

    def accounts(self) -> Accounts:
        """Return the accounts to watch; see Aws."""
        return watched_accounts(self._settings, self.identity, self._organization_caller)

    def regions(self, account: Account, wanted: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the regions to watch in an account; see Aws."""
        chosen = tuple(wanted) or account.regions or self._settings.regions
        if not chosen:
            return (self.default_region(),)
        if ALL not in chosen:
            return tuple(dict.fromkeys(chosen))
        return self._enabled_regions(account)

    def caller(self, region: str, account: Account | None = None) -> AwsCaller:
        """Return a caller; see Aws."""
        if account is None or not account.roles:
            known = account.account_id if account is not None else ""
            return self._caller(region, self._default, partial(self._own_account, known))
        return self._caller(region, self._chain(account.roles), lambda _ask: account.account_id)

    def role_caller(self, region: str, roles: Sequence[RoleSettings]) -> AwsCaller:
        """Return a caller at the end of a chain of roles; see Aws."""
        chain = tuple(roles)
        if not chain:
            return self.caller(region)
        return self._caller(region, self._chain(chain), lambda _ask: chain[-1].account_id)

    def default_region(self) -> str:
        """Return the region of the environment or profile; see Aws."""
        region = self._configured_region()
        if not region:
            raise AwsError("not_found", NO_REGION)
        return region

    def close(self) -> None:
        """End all waiting and close all connections."""
        self._stop.set()
        self._transport.close()

    def _caller(self, region: str, credentials: Credentials, account: Callable[[bool], str]) -> AwsCaller:
        return AwsCaller(self._road, credentials, account, region, self._road.endpoints.partition(region))

    def _own_account(self, known: str, ask: bool) -> str:
        if known or not ask or self._identity is not None:
            return known or (self._identity.account_id if self._identity is not None else "")
        try:
            return self.identity().account_id
        except AwsError:
            # STS may be out of reach where only CloudTrail has an endpoint; what is wrong with credentials shows in the call itself.
            return ""

    def _who(self) -> str:
        try:
            return self.identity().arn
        except AwsError:
            return "the default credentials"

    def _organization_caller(self, organization: OrganizationSettings) -> AwsCaller:
        partition = organization.via[-1].partition if organization.via else self._partition()
        return self.role_caller(self._sts_region(partition), organization.via)

    def _chain(self, roles: tuple[RoleSettings, ...]) -> Credentials:
        """Return the credentials at the end of a chain, the same for all who ask for it."""
        if not roles:
            return self._default
        parent = self._chain(roles[:-1])
        with self._lock:
            known = self._roles.get(roles)
            if known is None:
                known = self._roles[roles] = RoleCredentials(roles[-1], parent, self._assume, self._now)
            return known

    def _assume(self, role: RoleSettings, parent: Credentials, seconds: int) -> tuple[Keys, float]:
        region = self._sts_region(role.partition)
        caller = AwsCaller(self._road, parent, lambda _ask: role.account_id, region, role.partition)
        asked = {"RoleArn": role.role_arn, "RoleSessionName": role.session_name, "DurationSeconds": seconds}
        if role.external_id:
            asked["ExternalId"] = role.external_id
        told = caller.call(ASSUME_ROLE, **asked)
        given = told.get("Credentials", {})
        if not {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"} <= set(given):
            raise AwsError("unreadable", f"{ASSUME_ROLE.action} of {role.role_arn} gave no credentials")
        keys = Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        # By AWS's own clock, for ours may be wrong.
        told_at = date_of(told.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
        return keys, (given["Expiration"] - (told_at or datetime.now(UTC))).total_seconds()

    def _enabled_regions(self, account: Account) -> tuple[str, ...]:
        key = account.account_id, account.roles
        known = self._regions.get(key)
        now = self._now()
        if known is not None and now - known[0] < self._settings.discovery_interval.total_seconds():
            return known[1]
        told = self.caller(self._sts_region(account.partition), account).call(DESCRIBE_REGIONS, AllRegions=False)
        found = tuple(sorted(str(region["RegionName"]) for region in told.get("Regions", ())))
        self._regions[key] = now, found
        return found

    def _configured_region(self) -> str:
        try:
            # botocore knows only the second variable; all other tools, and the services that run containers, know the first.
            return os.environ.get("AWS_REGION") or str(self._session.get_config_variable("region") or "")
        except BotoCoreError as error:
            raise AwsError("credentials", f"the AWS configuration cannot be read: {visible(str(error), 300)}; check aws.profile") from None

    def _home_region(self) -> str:
        """Return a region in which the default credentials are good: that of the environment, else one that is watched."""
        return self._configured_region() or next((region for region in self._settings.regions if region != ALL), "") or self._sts_region("")

    def _partition(self) -> str:
        return self._identity.partition if self._identity is not None else self._road.endpoints.partition(self._home_region())

    def _sts_region(self, partition: str) -> str:
        """Return the region whose STS is asked in a partition."""
        region = self._configured_region()
        if region and (not partition or self._road.endpoints.partition(region) == partition):
            return region
        return self._road.endpoints.main_region(partition or self._settings_partition())

    def _settings_partition(self) -> str:
        roles = [role for account in self._settings.accounts for role in (*account.via, account)]
        return roles[0].partition if roles else "aws"


def open_aws(settings: AwsSettings, requests: Requests) -> AwsSession:
    """Return AWS as configured; asks AWS nothing yet. Raises AwsError where AWS's own configuration files cannot be read."""
    return AwsSession(settings, requests)
