"""The way through a saved answer: which members hold what, for every call, tool and channel that is known.

Only known containers are entered, so the groups that an instance or a change record merely names are never taken for groups that
stand. The path of everything that is found, and of what is not known, is told as in JSONPath.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from sys import intern
from typing import Any

from exporter.errors import SourceError
from exporter.model import Rule
from exporter.parse.dialect import lowered, text
from exporter.posture.standing import Group, PrefixList
from exporter.snapshots import config_shapes, ec2_shapes
from exporter.snapshots.answer_text import json_in
from exporter.snapshots.shapes import entries_in, text_of, unreadable, whole_of

ACCEPTED = (
    "accepted are answers of describe-security-groups, describe-security-group-rules, select-resource-config, "
    "select-aggregate-resource-config, get-resource-config-history and batch-get-resource-config; notifications, rule events and files in "
    'S3 of AWS Config; prefix lists ({"pl-…": ["cidr", …]}, get-managed-prefix-list-entries with PrefixListId beside Entries, '
    "describe-prefix-lists); their items, arrays and lines of any of these, also as gzip"
)
"""What a file may hold, for messages."""

MAX_DEPTH = 16
"""Most containers within one another; an SNS message inside an SQS message has six."""

CONTAINERS = (
    "data",  # placebo's recordings of answers
    "securitygroups",
    "securitygrouprules",
    "prefixlists",
    "results",  # advanced queries: JSON text
    "configurationitems",
    "baseconfigurationitems",
    "configurationitem",
    "invokingevent",  # events of rules: JSON text
    "detail",  # EventBridge
    "message",  # SNS: JSON text
    "messages",  # SQS
    "body",
    "records",  # what SNS and SQS hand to Lambda
    "sns",
)
"""Members, in lower case, that are entered."""
_MOST_TOLD, _MOST_OF_ITEM = 50, 5
_PAGED = ("securitygroups", "securitygrouprules", "results", "baseconfigurationitems", "prefixlists", "entries")
_UNPROCESSED = ("unprocessedresourcekeys", "unprocessedresourceidentifiers")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One configuration item of a group: no group where it is deleted or unreadable; a `problem` counts if the item is the newest."""

    group_id: str
    group: Group | None
    account_id: str
    region: str
    captured_at: datetime | None
    state_id: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """One rule of DescribeSecurityGroupRules."""

    group_id: str
    rule: Rule
    account_id: str
    region: str


@dataclass(slots=True)
class Found:
    """What a walk found; `known` counts everything of a known kind, also what holds no group."""

    recorded: list[Recorded] = field(default_factory=list)
    described: list[tuple[Group, str]] = field(default_factory=list)
    rules: list[Described] = field(default_factory=list)
    prefix_lists: list[PrefixList] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    known: int = 0


class Walk:
    """Goes through values and gathers what they hold."""

    def __init__(self) -> None:
        self.found = Found()

    def visit(self, value: Any, path: str, depth: int = 0) -> None:
        """Gather what one value holds; what cannot be read is told in `found`, never raised."""
        if depth > MAX_DEPTH:
            _tell(self.found.unknown, f"{path}: is nested over {MAX_DEPTH} deep")
        elif isinstance(value, list):
            self.found.known += not value
            for index, inner in enumerate(value):
                self.visit(inner, f"{path}[{index}]", depth + 1)
        elif isinstance(value, str) and (inner := json_in(value)) is not None:
            self.visit(inner, path, depth + 1)
        elif isinstance(value, dict):
            self._object(value, path, depth)
        else:
            _tell(self.found.unknown, f"{path}: is {'text that is no JSON' if isinstance(value, str) else 'no object'}")

    def _object(self, value: dict[str, Any], path: str, depth: int) -> None:
        fields = lowered(value)
        for fits, read in _KINDS:
            if fits(fields):
                self.found.known += 1
                try:
                    read(self.found, value, fields, path)
                except SourceError as error:
                    _tell(self.found.problems, f"{path}: {error}")
                return
        containers = [name for name in value if name.lower() in CONTAINERS and _may_hold(value[name])]
        for name in containers:
            self.visit(value[name], f"{path}.{name}", depth + 1)
        self._remark(fields, path)
        if not containers:
            if "messagetype" in fields or "topicarn" in fields:  # ScheduledNotification brings no item, and a new topic is greeted in words
                self.found.known += 1
            else:
                _tell(self.found.unknown, f"{path}: {_described(value)}")

    def _remark(self, fields: Mapping[str, Any], path: str) -> None:
        if text(fields.get("nexttoken")) and any(name in fields for name in _PAGED):
            _tell(self.found.notes, f"{path}: has a NextToken: this is one page, and what is on the others is not in it")
        for name in _UNPROCESSED:
            left = fields.get(name)
            if isinstance(left, list) and left:
                _tell(self.found.problems, f"{path}: AWS Config left {len(left)} resources unprocessed; ask for them again")


def _tell(where: list[str], what: str) -> None:
    if len(where) < _MOST_TOLD:
        where.append(what)
    elif len(where) == _MOST_TOLD:
        where.append("… and more")


def _may_hold(value: Any) -> bool:
    """Whether a member called like a container holds anything: the `message` of an error is words."""
    return isinstance(value, list | dict) or (isinstance(value, str) and value.lstrip()[:1] in ("{", "["))


def _described(value: Mapping[str, Any]) -> str:
    keys = ", ".join(f"{key!s:.40}" for key in list(value)[:8])
    return f"an object with the keys {keys}{', …' if len(value) > 8 else ''}, which is nothing known" if value else "an empty object"


def _is_item(fields: Mapping[str, Any]) -> bool:
    if "resourcetype" in fields and ("resourceid" in fields or "configuration" in fields):
        return True
    return "configuration" in fields and not fields.keys() & {"configurationitem", "configurationitems"}


def _item_kind(fields: Mapping[str, Any]) -> str:
    """Return the type of an item; a row of a query may not have selected it."""
    told = text(fields.get("resourcetype"))
    if told:
        return told
    configuration = fields.get("configuration")
    inner = lowered(json_in(configuration) if isinstance(configuration, str) else configuration)
    resource_id, arn = text_of(fields, "resourceid"), text_of(fields, "arn")
    if "ippermissions" in inner or resource_id.startswith("sg-") or ":security-group/" in arn:
        return config_shapes.SECURITY_GROUP
    if ("prefixlistid" in inner and "entries" in inner) or resource_id.startswith("pl-"):
        return config_shapes.PREFIX_LIST
    return ""


def _read_item(found: Found, item: dict[str, Any], fields: Mapping[str, Any], path: str) -> None:
    kind = _item_kind(fields)
    if kind not in (config_shapes.SECURITY_GROUP, config_shapes.PREFIX_LIST):
        return
    timed = item | {key: _moment(value) for key, value in item.items() if key.lower() == "configurationitemcapturetime"}
    if kind == config_shapes.PREFIX_LIST:
        if not config_shapes.is_deleted(item):
            found.prefix_lists.append(config_shapes.prefix_list_of(timed))
        return
    account_id, region = config_shapes.account_and_region(item)
    captured, resource_id = config_shapes.captured_at(timed), text_of(fields, "resourceid")
    group, problems = None, list[str]()
    if not config_shapes.is_deleted(item):
        try:
            group = config_shapes.group_of(timed, problems)
        except SourceError as error:
            if captured is None or not resource_id:
                raise
            problems = [str(error)]
    found.recorded.append(
        Recorded(
            group.group_id if group else resource_id,
            group,
            account_id or (group.owner_id if group else ""),
            region or _region(text_of(fields, "arn")),
            captured,
            whole_of(fields, "configurationstateid") or 0,
            f"{path}: {'; '.join(problems[:_MOST_OF_ITEM])}" if problems else "",
        )
    )


def _moment(value: Any) -> Any:
    """Return a time that placebo wrote as an object."""
    if not isinstance(value, dict) or value.get("__class__") != "datetime":
        return value
    year, month, day, hour, minute, second, micro = (
        value.get(name, 0) for name in ("year", "month", "day", "hour", "minute", "second", "microsecond")
    )
    try:
        return datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return value


def _read_oversized(_found: Found, _item: dict[str, Any], fields: Mapping[str, Any], _path: str) -> None:
    summary = lowered(fields["configurationitemsummary"])
    if text_of(summary, "resourcetype") in (config_shapes.SECURITY_GROUP, ""):
        unreadable(text_of(summary, "resourceid"), "the item is too large for a notification; get it with get-resource-config-history")


def _read_group(found: Found, item: dict[str, Any], fields: Mapping[str, Any], path: str) -> None:
    if "ippermissions" not in fields:
        unreadable(text_of(fields, "groupid"), "has no IpPermissions")
    problems: list[str] = []
    group = ec2_shapes.group_of(item, problems)
    for problem in problems:
        _tell(found.problems, f"{path}: {problem}")
    found.described.append((group, _region(text_of(fields, "securitygrouparn"))))


def _read_rule(found: Found, _item: dict[str, Any], fields: Mapping[str, Any], _path: str) -> None:
    group_id, rule = ec2_shapes.rule_in(fields)
    # A file may hold 600,000 of them, and the same few words in each.
    place = intern(text_of(fields, "groupownerid")), intern(_region(text_of(fields, "securitygrouprulearn")))
    found.rules.append(Described(intern(group_id), rule, *place))


def _read_list(found: Found, item: dict[str, Any], fields: Mapping[str, Any], _path: str) -> None:
    entries = fields.get("entries", fields.get("cidrs"))
    if entries is None:
        list_id = text_of(fields, "prefixlistid")
        found.notes.append(f"{list_id} is described without its entries; get them: {entries_command(list_id)}")
    elif isinstance(entries, list):
        if text(fields.get("nexttoken")):
            found.notes.append(f"{text_of(fields, 'prefixlistid')}: has a NextToken: entries on other pages are not in it")
        found.prefix_lists.append(ec2_shapes.prefix_list_of(item, entries))
    else:
        unreadable(text_of(fields, "prefixlistid"), "Entries is no list")


def _read_named_lists(found: Found, item: dict[str, Any], _fields: Mapping[str, Any], _path: str) -> None:
    for list_id, value in item.items():
        entries = value if isinstance(value, list) else lowered(value).get("entries", lowered(value).get("cidrs"))
        if not isinstance(entries, list):
            unreadable(list_id, "is neither a list of CIDRs nor an object with a list of Entries")
        found.prefix_lists.append(PrefixList(f"{list_id:.256}", entries=entries_in(entries, list_id)))


def _read_nameless(_found: Found, _item: dict[str, Any], _fields: Mapping[str, Any], _path: str) -> None:
    unreadable("Entries", "do not say of which prefix list; put PrefixListId beside Entries")


def entries_command(list_id: str, region: str = "") -> str:
    """Return the command line that gets the entries of a prefix list, in a form that is accepted here."""
    query = f'{{"{list_id}": Entries}}'
    words = ["aws", "ec2", "get-managed-prefix-list-entries", "--prefix-list-id", list_id, "--query", query, "--output", "json"]
    return shlex.join([*words, *(("--region", region) if region else ())])


def _region(arn: str) -> str:
    parts = arn.split(":", 4)
    return parts[3] if len(parts) > 4 else ""


_Read = Callable[[Found, dict[str, Any], Mapping[str, Any], str], None]
_KINDS: tuple[tuple[Callable[[Mapping[str, Any]], bool], _Read], ...] = (
    (_is_item, _read_item),
    (lambda fields: isinstance(fields.get("configurationitemsummary"), dict), _read_oversized),
    (lambda fields: "securitygroupruleid" in fields and "isegress" in fields, _read_rule),
    (lambda fields: "groupid" in fields and bool(fields.keys() & {"ippermissions", "ippermissionsegress", "vpcid"}), _read_group),
    (lambda fields: "prefixlistid" in fields, _read_list),
    (lambda fields: bool(fields) and all(key.startswith("pl-") for key in fields), _read_named_lists),
    (lambda fields: isinstance(fields.get("entries"), list), _read_nameless),
)
"""What an object is, by its members, in the order in which they are asked, and what reads it."""
