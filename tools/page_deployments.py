"""What the templates of deploy/cloudformation and the modules of deploy/terraform repeat of the code: permissions and watched calls.

A template is written by hand but for what stands between its marks; a module has a file `generated.tf` beside its own.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from exporter.aws import Permission
from exporter.catalog import DEFAULT_WATCH_SETS, WATCH_SETS
from exporter.config import validate
from exporter.iam import MEMBER, principals
from exporter.iam.grants import permissions
from exporter.iam.principals import statements
from exporter.iam.terraform import quoted
from exporter.sources import SOURCES

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = "deploy/cloudformation"
MODULES = "deploy/terraform/modules"
LONGEST_PATTERN = 2048
"""Characters that EventBridge takes as a pattern (EventBridge user guide, quotas)."""

DETAIL_TYPES = ("AWS API Call via CloudTrail", "AWS Service Event via CloudTrail")
"""What brings calls, and what nobody called for. The two of the console tell of sign-ins, which no default set watches."""

_KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
_QUEUE = "https://sqs.us-east-1.amazonaws.com/111122223333/{}"
_STANDS_FOR = {
    "arn:aws:sqs:us-east-1:111122223333:events": "${EventsQueueArn}",
    "arn:aws:sqs:us-east-1:111122223333:trail-files": "${TrailQueueArn}",
    "arn:aws:s3:::placeholder-bucket": "arn:${AWS::Partition}:s3:::${TrailBucket}",
    "placeholder-prefix": "${TrailPrefix}",
    "arn:aws:iam::*:role/placeholder-role": "arn:${AWS::Partition}:iam::*:role/${MemberRoleName}",
}
"""What a policy of the configuration below has, and what a template has in its place."""

Piece = tuple[str, dict[str, Any]]


def pattern() -> dict[str, Any]:
    """Return the pattern of a rule for the calls of the default watch sets."""
    rows = [spec for name in DEFAULT_WATCH_SETS for spec in WATCH_SETS[name]]
    detail = {"eventSource": sorted({row.event_source for row in rows}), "eventName": sorted({row.event_name for row in rows})}
    # Only AWS's own services may send events whose source begins so.
    return {"source": [{"prefix": "aws."}], "detail-type": list(DETAIL_TYPES), "detail": detail}


def exporter_statements() -> list[Piece]:
    """Return the statements of what the exporter runs as, each under the condition that has it."""
    own = validate({"sources": [{"type": "cloudtrail"}], "aws": {"regions": ["all"]}}, "the account")
    organization = validate({"sources": [{"type": "cloudtrail"}], "aws": {"organization": {"role_name": "placeholder-role"}}}, "members")
    bucket = {"type": "s3", "bucket": "placeholder-bucket", "region": "us-east-1"}
    groups: list[tuple[str, Iterable[Permission]]] = [
        ("OwnAccount", permissions(own)),
        ("HasEvents", _of({"type": "eventbridge", "queue_url": _QUEUE.format("events")})),
        ("HasTrailQueue", _less(_of({**bucket, "queue_url": _QUEUE.format("trail-files")}), _of(bucket))),
        ("BucketWithoutPrefix", _of(bucket)),
        ("BucketWithPrefix", _of({**bucket, "prefix": "placeholder-prefix"})),
        ("HasKeys", _less(_of({**bucket, "kms_keys": [_KEY]}), _of(bucket))),
        ("HasMembers", [permission for permission in permissions(organization) if permission.who != MEMBER]),
    ]
    found: list[Piece] = []
    taken: set[str] = set()
    for condition, needed in groups:
        for statement in statements(list(needed)):
            document = statement.document()
            document["Sid"] = _unique(document["Sid"], taken)
            found.append((condition, document))
    return found


def member_statements() -> list[dict[str, Any]]:
    """Return the statements of the role in each account of an organization."""
    config = validate(
        {"sources": [{"type": "cloudtrail"}], "aws": {"regions": ["all"], "organization": {"role_name": "placeholder-role"}}}, "members"
    )
    (member,) = [principal for principal in principals(config) if principal.name == MEMBER]
    statements_: list[dict[str, Any]] = member.policy()["Statement"]
    return statements_


def _of(source: Mapping[str, Any]) -> list[Permission]:
    (settings,) = validate({"sources": [dict(source)]}, "a source").sources
    return list(SOURCES[settings.type].permissions(settings))


def _less(more: list[Permission], fewer: list[Permission]) -> list[Permission]:
    return [permission for permission in more if permission not in fewer]


def _unique(sid: str, taken: set[str]) -> str:
    unique, number = sid, 2
    while unique in taken:
        unique, number = f"{sid}{number}", number + 1
    taken.add(unique)
    return unique


def _template_value(value: Any) -> Any:
    """Return a value of a policy as a template has it."""
    if isinstance(value, dict):
        return {key: _template_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return {"Ref": "KmsKeyArns"} if value == [_KEY] else [_template_value(item) for item in value]
    text = _replaced(value)
    whole = re.fullmatch(r"\$\{([\w:]+)\}", text)
    return {"Ref": whole[1]} if whole else {"Fn::Sub": text} if "${" in text else text


def _module_value(value: Any) -> str:
    """Return a value of a policy as a module has it."""
    if isinstance(value, dict):
        return "{\n" + textwrap.indent("".join(f"{quoted(key)} = {_module_value(item)}\n" for key, item in value.items()), "  ") + "}"
    if isinstance(value, list):
        if value == [_KEY]:
            return "var.kms_key_arns"
        if sum(map(len, map(str, value))) < 100:
            return f"[{', '.join(map(_module_value, value))}]"
        return "[\n" + textwrap.indent("".join(f"{_module_value(item)},\n" for item in value), "  ") + "]"
    text = _replaced(value)
    whole = re.fullmatch(r"\$\{(\w+)\}", text)
    if whole:
        return f"var.{snake(whole[1])}"
    parts = re.split(r"\$\{([\w:]+)\}", text)
    inner = "".join(quoted(part)[1:-1] if number % 2 == 0 else "${" + _module_reference(part) + "}" for number, part in enumerate(parts))
    return f'"{inner}"'


def _module_reference(name: str) -> str:
    return "data.aws_partition.current.partition" if name == "AWS::Partition" else f"var.{snake(name)}"


def snake(name: str) -> str:
    """Return the name that a parameter or output of a template has in a module."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _replaced(text: str) -> str:
    for literal, reference in _STANDS_FOR.items():
        text = text.replace(literal, reference)
    return text


def _yaml(value: Any) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, width=130, allow_unicode=False))


PIECES: Mapping[str, Callable[[], str]] = {
    "watched calls": lambda: _yaml({"EventPattern": pattern()}),
    "member": lambda: _yaml(member_statements()),
    "exporter": lambda: _yaml(
        [{"Fn::If": [condition, _template_value(one), {"Ref": "AWS::NoValue"}]} for condition, one in exporter_statements()]
    ),
}
"""What stands between the marks of a template, by the name in the marks."""

_MARKS = re.compile(r"^( *)# BEGIN generated: ([^\n]+)\n(?:.*?\n)??\1# END generated$", re.DOTALL | re.MULTILINE)


def template(path: Path) -> str:
    """Return a template with what stands between its marks made anew."""
    return _MARKS.sub(_between, path.read_text(encoding="utf-8"))


def _between(match: re.Match[str]) -> str:
    indent, name = match[1], match[2]
    return f"{indent}# BEGIN generated: {name}\n{textwrap.indent(PIECES[name](), indent)}{indent}# END generated"


_HEAD = "# Written by `make generate`; edit exporter/ instead.\n\n"


def pattern_module() -> str:
    """Return the file of a module that has the watched calls."""
    return f"{_HEAD}locals {{\n{textwrap.indent(f'watched_calls = {_module_value(pattern())}', '  ')}\n}}\n"


def member_module() -> str:
    """Return the file of the module `member` that has the statements of its policy."""
    return f"{_HEAD}locals {{\n{textwrap.indent(f'statements = {_module_value(member_statements())}', '  ')}\n}}\n"


def exporter_module() -> str:
    """Return the file of the module `exporter` that has the statements of its policy, by the condition that has them."""
    pieces = exporter_statements()
    lines = ""
    for condition in dict.fromkeys(condition for condition, _ in pieces):
        lines += f"{snake(condition)} = {_module_value([one for name, one in pieces if name == condition])}\n"
    return f"{_HEAD}locals {{\n  statements = {{\n{textwrap.indent(lines, '    ')}  }}\n}}\n"


def deployments() -> dict[str, Callable[[], str]]:
    """Return every file that is made or completed here, by its path."""
    templates = sorted((ROOT / TEMPLATES).glob("*.yaml"))
    return {
        **{f"{TEMPLATES}/{path.name}": partial(template, path) for path in templates},
        f"{MODULES}/events/generated.tf": pattern_module,
        f"{MODULES}/events-forward/generated.tf": pattern_module,
        f"{MODULES}/member/generated.tf": member_module,
        f"{MODULES}/exporter/generated.tf": exporter_module,
    }
