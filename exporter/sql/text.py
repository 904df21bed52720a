"""The statement that finds what history asks for: filter and project, in the SQL that Athena and DuckDB share.

It gives a superset: every row that the question can match, and some more. The reader parses each row and decides, so what text cannot
tell exactly (names that are normalized, ids that several keys may hold) is only narrowed here. There is no LIMIT, because a row may yet
fall out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from exporter.sql.base import Statement
from exporter.sql.columns import COLUMNS

_ESCAPE = "!"
_PLAIN = re.compile(r"[A-Za-z0-9:.@_+=-]+")
"""Text that a JSON encoder writes as it is, unless it escapes everything as `\\u…`; a slash may stand as `\\/`."""

_IDS_IN = ("requestparameters", "responseelements", "resources", "serviceeventdetails")
_RULE_IDS_IN = ("requestparameters", "responseelements")
_MADE_UP_NAMES = frozenset(
    {"root", "root/assumed", "federated/root", "identity-center", "saml", "web_identity", "unknown"}
    | {f"{kind}/unknown" for kind in ("user", "role", "service", "federated", "account")}
)  # fmt: skip
"""Names of principals that no record spells (exporter.parse.principal)."""

_KINDS = ("role/", "sso/", "user/", "service/", "account/", "federated/")
_DAY = timedelta(days=1)


class Question(Protocol):
    """What of a Query (exporter.store.base) decides which rows may match; `text` and the page are the reader's."""

    @property
    def security_groups(self) -> tuple[str, ...]: ...
    @property
    def rule_ids(self) -> tuple[str, ...]: ...
    @property
    def event_names(self) -> tuple[str, ...]: ...
    @property
    def principals(self) -> tuple[str, ...]: ...
    @property
    def accounts(self) -> tuple[str, ...]: ...
    @property
    def regions(self) -> tuple[str, ...]: ...
    @property
    def outcomes(self) -> Sequence[str]: ...
    @property
    def since(self) -> datetime | None: ...
    @property
    def until(self) -> datetime | None: ...
    @property
    def event_ids(self) -> tuple[str, ...]: ...


class _Where:
    """The conditions so far, and their parameters in order."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.parameters: list[str] = []

    def add(self, condition: str, *parameters: str) -> None:
        self.parts.append(condition)
        self.parameters += parameters

    def any_of(self, conditions: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        """Add conditions of which one must hold; none at all narrows nothing."""
        chosen = list(conditions)
        if chosen:
            self.add(f"({' OR '.join(text for text, _ in chosen)})", *(value for _, values in chosen for value in values))


def history_statement(
    query: Question, table: str, now: datetime, *, partitioned: bool, watched: Iterable[tuple[str, str]] | None = None
) -> Statement:
    """Return the statement whose rows hold all that a query matches.

    `table` stands in the text as it is, so it must be a safe name. `partitioned` says that account, region and day bound what is read: the
    day of a file's delivery is that of the event or the next. `watched` are the calls (event source, event name) that count where neither
    call, group nor rule is named; None where there is no end to them.
    """
    where = _Where()
    if partitioned:
        _partitions(where, query, now)
    else:
        _units(where, query)
    _times(where, query)
    if query.event_names:
        where.any_of(_names(query.event_names))
    elif not query.security_groups and not query.rule_ids and watched is not None:
        where.any_of(_watched(watched))
    _holding_any(where, [group.removeprefix("name:") for group in query.security_groups], _IDS_IN)
    _holding_any(where, query.rule_ids, _RULE_IDS_IN)
    _principals(where, query.principals)
    _outcomes(where, query.outcomes)
    _event_ids(where, query.event_ids)
    columns = ", ".join(column.name for column in COLUMNS)
    condition = f" WHERE {' AND '.join(where.parts)}" if where.parts else ""
    return Statement(f"SELECT {columns} FROM {table}{condition}", tuple(where.parameters))  # noqa: S608 - fixed parts, values are parameters


def like(pattern: str) -> str:
    """Return a pattern of ours, in which `*` stands for anything, as one of LIKE."""
    return "%".join(_escaped(part) for part in pattern.split("*"))


def _escaped(text: str) -> str:
    return re.sub(r"([!%_])", rf"{_ESCAPE}\1", text)


def _like(column: str, pattern: str) -> tuple[str, tuple[str, ...]]:
    return f"{column} LIKE ? ESCAPE '{_ESCAPE}'", (pattern,)


def _one_of(column: str, values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    return f"{column} IN ({', '.join('?' * len(values))})", tuple(values)


def _partitions(where: _Where, query: Question, now: datetime) -> None:
    # The day alone is no reason to leave a file out, unless the question bounds it: projection then makes up the days of its own range.
    if query.accounts:
        where.any_of([_one_of("account", query.accounts)])
    if query.regions:
        where.any_of([_one_of("region", query.regions)])
    if query.since is not None:
        where.add("day >= ?", _partition_day(query.since))
    if query.until is not None and query.until < now:
        where.add("day <= ?", _partition_day(query.until + _DAY))
    elif query.since is not None:
        # Both ends, so that no engine makes up days without end.
        where.add("day <= ?", _partition_day(now + _DAY))


def _partition_day(moment: datetime) -> str:
    return moment.date().isoformat().replace("-", "/")


def _units(where: _Where, query: Question) -> None:
    # An account that the record leaves out is that of the caller, which the reader finds.
    if query.accounts:
        where.any_of([_one_of("recipientaccountid", query.accounts), ("coalesce(recipientaccountid, '') = ''", ())])
    if query.regions and "unknown" not in query.regions:
        where.any_of([_one_of("awsregion", query.regions)])


def _times(where: _Where, query: Question) -> None:
    """Bound the time by whole days with a day to spare: a record may write its time with any offset, which does not sort."""
    if query.since is not None and query.since.year > 1:
        where.add("eventtime >= ?", (query.since - _DAY).date().isoformat())
    if query.until is not None and query.until.year < 9999:
        where.add("eventtime < ?", (query.until + 2 * _DAY).date().isoformat())


def _names(patterns: Sequence[str]) -> Iterable[tuple[str, tuple[str, ...]]]:
    exact = [name for name in patterns if "*" not in name]
    if exact:
        yield _one_of("eventname", exact)
    for pattern in patterns:
        if "*" in pattern:
            yield _like("eventname", like(pattern))


def _watched(calls: Iterable[tuple[str, str]]) -> Iterable[tuple[str, tuple[str, ...]]]:
    by_source: dict[str, list[str]] = {}
    for source, name in calls:
        by_source.setdefault(source, []).append(name)
    for source, names in by_source.items():
        condition, values = _one_of("eventname", names)
        # A name may carry the version of its API (exporter.catalog.watch); that of a year of this century is enough to look at it.
        yield f"(eventsource = ? AND ({condition} OR eventname LIKE '%20%'))", (source, *values)


def _holding_any(where: _Where, texts: Sequence[str], columns: Sequence[str]) -> None:
    """Narrow to rows of which some column holds one of some texts; a text of which no part is sure to stand there narrows nothing."""
    needles = tuple(dict.fromkeys(map(_needle, texts)))
    if needles and all(needles):
        where.any_of(condition for column in columns for condition in _holding(column, needles))


def _holding(column: str, needles: Iterable[str]) -> Iterable[tuple[str, tuple[str, ...]]]:
    for needle in needles:
        yield _like(column, f"%{_escaped(needle)}%")
    # JSON may write any character as an escape, and then only a decoder finds it.
    yield f"{column} LIKE '%\\u00%'", ()


def _needle(text: str) -> str:
    """Return the longest part of a text that stands in JSON as it is."""
    return max(_PLAIN.findall(text), key=len, default="")


def _principals(where: _Where, patterns: Sequence[str]) -> None:
    needles = []
    for pattern in patterns:
        if any(_may_match(pattern, name) for name in _MADE_UP_NAMES):
            return
        # The kind before the slash is our word, but a session or ARN may have one too; what follows stands in the record in any case.
        kind = next((kind for kind in _KINDS if pattern.startswith(kind)), "")
        needles.append(max((_needle(part) for part in pattern[len(kind) :].split("*")), key=len))
    if needles and all(needles):
        where.any_of(_holding("useridentity", tuple(dict.fromkeys(needles))))


def _may_match(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, re.sub(r"\*+", "*", pattern).split("*"))), name) is not None


def _outcomes(where: _Where, outcomes: Sequence[str]) -> None:
    wanted = set(outcomes)
    if not wanted:
        return
    if wanted <= {"success", "noop"}:
        # An object where a code belongs is none.
        where.add("(coalesce(errorcode, '') = '' OR errorcode LIKE '{%' OR errorcode LIKE '[%')")
    elif not wanted & {"success", "noop"}:
        where.add("(errorcode IS NOT NULL OR errormessage IS NOT NULL)")


def _event_ids(where: _Where, ids: Sequence[str]) -> None:
    if not ids or any(value.startswith("hash:") for value in ids):
        return  # a hash stands in no record
    lowered = [value.lower() for value in ids]
    # What is completed later has an id of its own, and names the one that it completes.
    where.any_of([_one_of("lower(eventid)", lowered), *_holding("lower(addendum)", [needle for needle in map(_needle, lowered) if needle])])
