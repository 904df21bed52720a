"""AWS as the rest of the exporter sees it: accounts, and callers that act in one region of one account. Nothing here knows boto."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from exporter.aws.operations import Operation
from exporter.aws.settings import RoleSettings
from exporter.errors import SourceError


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the default credentials belong to (sts:GetCallerIdentity); `partition` is aws, aws-us-gov or aws-cn."""

    account_id: str
    arn: str
    partition: str


@dataclass(frozen=True, slots=True)
class Account:
    """One account to watch: the roles that lead there, in order, from the default credentials; none for their own account.

    `regions` are those configured for it alone; empty where the source or the section `aws` decides.
    """

    account_id: str
    partition: str = "aws"
    name: str = ""
    roles: tuple[RoleSettings, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts to watch as known now, and what could not be learned of the others, by account id ("" where no account is known)."""

    accounts: tuple[Account, ...]
    failures: tuple[tuple[str, SourceError], ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request; `date` is AWS's clock when it answered (the Date header), None where it told none.

    `metadata` is the user metadata of an object (x-amz-meta-…, without that prefix, in lower case).
    """

    body: bytes
    date: datetime | None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object of a listing; `size` in bytes."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """One page of ListObjectsV2: objects and common prefixes in the order of S3 (UTF-8 bytes); `token` leads to the next page."""

    objects: Sequence[ListedObject]
    prefixes: Sequence[str] = ()
    token: str | None = None


class Caller(Protocol):
    """Makes calls as one account in one region. Safe to use from several threads; made in microseconds, so make many.

    Every method raises AwsError, translated once: its `reason` is one of SOURCE_REASONS, its text names operation, account,
    region, AWS's code and message, and the remedy. A request that fails by a server error, a dropped connection or a cut body
    is tried again a few times; a throttled one is not (whoever paces decides), and neither is a denied one. Every attempt is
    told to `Requests`. Credentials are fetched when they are first needed and renewed before they expire.
    """

    region: str
    partition: str

    @property
    def account_id(self) -> str:
        """The account; empty as long as it is that of the default credentials and AWS was not asked which that is."""
        ...

    def elsewhere(self, region: str) -> Caller:
        """Return a caller for another region, as the same principal."""
        ...

    def lookup_events(self, parameters: Mapping[str, Any]) -> Reply:
        """Call cloudtrail:LookupEvents with parameters as the API spells them, datetimes allowed; return the body as JSON text.

        Waits for its turn: at most `aws.lookup_rate` calls a second for an account and region, whoever makes them in this process.
        """
        ...

    def get_object(self, bucket: str, key: str, size_limit: int) -> Reply:
        """Return an object as stored (a trail file is still compressed); one over `size_limit` bytes is an AwsError (unreadable)."""
        ...

    def list_objects(
        self, bucket: str, prefix: str, *, start_after: str = "", token: str | None = None, delimiter: str = "", most: int = 1000
    ) -> ObjectPage:
        """Return one page of a bucket's listing."""
        ...

    def call(self, operation: Operation, /, **parameters: Any) -> Mapping[str, Any]:
        """Make any call of OPERATIONS through botocore, parameters and answer as boto3 has them."""
        ...

    def pages(self, operation: Operation, /, **parameters: Any) -> Iterator[Mapping[str, Any]]:
        """Make a call of OPERATIONS that AWS answers in pages, and yield each page."""
        ...

    def spent(self, operation: Operation, dollars: float) -> None:
        """Tell `Requests` what a call cost beside its request, such as what a query scanned."""
        ...


class Aws(Protocol):
    """All that the exporter has of AWS: made once for a configuration, closed when that is replaced."""

    def identity(self) -> Identity:
        """Return who the default credentials are; asked of AWS once. Raises AwsError."""
        ...

    def accounts(self) -> Accounts:
        """Return the accounts to watch: listed, discovered from Organizations, or that of the default credentials. Raises AwsError.

        Asks AWS at each call where accounts are discovered. What fails for one account is in `failures`; raises only where
        nothing at all can be told.
        """
        ...

    def regions(self, account: Account, wanted: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the regions to watch in an account: `wanted` (a source's own), else the account's, else `aws.regions`.

        `all` among them asks ec2:DescribeRegions as that account; none at all is the region of the environment. Raises AwsError.
        """
        ...

    def caller(self, region: str, account: Account | None = None) -> Caller:
        """Return a caller; without an account as the default credentials. Asks AWS nothing yet."""
        ...

    def role_caller(self, region: str, roles: Sequence[RoleSettings]) -> Caller:
        """Return a caller at the end of a chain of roles (the queue's or bucket's reader); no role is the default credentials."""
        ...

    def default_region(self) -> str:
        """Return the region of the environment or profile; raise AwsError that says how to set it where there is none."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class Requests(Protocol):
    """Hears of every request that was sent, attempts one by one."""

    def aws_request(self, operation: Operation, account_id: str, region: str, seconds: float, error_code: str | None) -> None:
        """Record one attempt; `error_code` is AWS's own, or `timeout`, `connection`, `cut`; None where it succeeded."""
        ...

    def aws_spent(self, operation: Operation, account_id: str, dollars: float) -> None:
        """Record what a call cost beside its requests."""
        ...


@dataclass(frozen=True, slots=True)
class Permission:
    """One action that a configuration needs: on which resources, as whom and what for.

    `who` is `hub` (the default credentials), `member` (the role in each watched account) or the ARN of a role. `resources` are
    ARNs, `*` where the action knows no resource; `condition` is an IAM condition block or empty.
    """

    action: str
    resources: tuple[str, ...]
    why: str
    who: str = "hub"
    condition: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
