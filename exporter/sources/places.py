"""Finds the folders of a trail bucket: which accounts and regions have log files or digests, in any of the known layouts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from exporter.aws import Caller, ListedObject
from exporter.errors import SourceError
from exporter.sources.trail_keys import ACCOUNT, ORGANIZATION, REGION, DigestFile, LogFile, log_folder

_MOST_PAGES = 50


@dataclass(frozen=True, slots=True)
class Choice:
    """Where to look in a bucket, and for what; nothing named is everything."""

    prefix: str = ""
    organizations: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    def includes(self, file: LogFile | DigestFile) -> bool:
        """Tell whether a file lies where to look."""
        before = file.folder.split("AWSLogs/")[-1].split("/")
        organization = before[0] if ORGANIZATION.fullmatch(before[0]) else ""
        return (
            (not self.prefix or file.folder.startswith(f"{self.prefix}/AWSLogs/"))
            and _among(organization, self.organizations)
            and _among(file.account_id, self.accounts)
            and _among(file.region, self.regions)
        )


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of logs (each ends behind the region), which have digests, and what could not be listed."""

    logs: tuple[str, ...]
    digests: tuple[str, ...]
    failures: tuple[tuple[str, SourceError], ...] = ()


def find_places(caller: Caller, bucket: str, choice: Choice, *, digests: bool) -> Places:
    """Return the folders there are; raise AwsError where the bucket cannot be listed at all."""
    logs: list[str] = []
    proofs: list[str] = []
    failures: list[tuple[str, SourceError]] = []
    accounts: list[str] = []
    for root in _roots(caller, bucket, choice):
        for name in list(_folders(caller, bucket, root)):
            if ACCOUNT.fullmatch(name) and not choice.organizations:
                accounts.append(f"{root}{name}/")
            elif ORGANIZATION.fullmatch(name) and _among(name, choice.organizations):
                try:
                    accounts += [
                        f"{root}{name}/{account}/" for account in _folders(caller, bucket, f"{root}{name}/") if ACCOUNT.fullmatch(account)
                    ]
                except SourceError as error:
                    failures.append((f"{root}{name}/", error))
    for account in accounts:
        if not _among(account.split("/")[-2], choice.accounts):
            continue
        try:
            logs += _regions(caller, bucket, f"{account}CloudTrail/", choice)
            proofs += _regions(caller, bucket, f"{account}CloudTrail-Digest/", choice) if digests else ()
        except SourceError as error:
            failures.append((account, error))
    # A region that had nothing to log has digests that say so, and may have log files tomorrow.
    return Places(tuple(dict.fromkeys([*logs, *map(log_folder, proofs)])), tuple(dict.fromkeys(proofs)), tuple(failures))


def objects_after(caller: Caller, bucket: str, folder: str, after: str) -> Iterator[ListedObject]:
    """Yield the objects of a folder whose keys stand after one, page by page."""
    token: str | None = None
    while True:
        page = caller.list_objects(bucket, folder, start_after=after, token=token)
        yield from page.objects
        token = page.token
        if token is None:
            return


def _roots(caller: Caller, bucket: str, choice: Choice) -> Iterable[str]:
    if choice.prefix:
        return (f"{choice.prefix}/AWSLogs/",)
    top = list(_folders(caller, bucket, ""))
    return [
        name for name in ("AWSLogs/", *(f"{name}/AWSLogs/" for name in top if ORGANIZATION.fullmatch(name))) if name.split("/")[0] in top
    ]


def _regions(caller: Caller, bucket: str, folder: str, choice: Choice) -> list[str]:
    return [f"{folder}{name}/" for name in _folders(caller, bucket, folder) if REGION.fullmatch(name) and _among(name, choice.regions)]


def _folders(caller: Caller, bucket: str, prefix: str) -> Iterator[str]:
    token: str | None = None
    for _ in range(_MOST_PAGES):
        page = caller.list_objects(bucket, prefix, delimiter="/", token=token)
        yield from (name.removeprefix(prefix).rstrip("/") for name in page.prefixes)
        token = page.token
        if token is None:
            return


def _among(name: str, chosen: tuple[str, ...]) -> bool:
    return not chosen or name in chosen
