"""Reading JSON of which neither the dialect nor the types can be trusted.

EC2 writes two dialects (CloudTrail records of both are in the tests' fixtures). Classic: lowerCamel names,
lists as `{"items": [...]}`, an empty list as `{}`. Wrapper: the parameters inside `<Operation>Request` in
PascalCase, a list of one as the bare object, an empty one as `""`, a scalar of a list as
`{"tag": 1, "content": "..."}`, and values coerced (`-1` for `"-1"`, true for `"true"`). Some pipelines
lower-case all keys besides. So keys are compared in lower case, lists taken in every form, scalars as text.
A value inside a record is what a JSON decoder makes: dict, list, str, int, float, bool or None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

LONGEST_LIST = 20_000
"""Most elements of one list, or nodes of one search, that are looked at; a record holds at most 256 kB."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_LIST_KEYS = ("items", "item", "member")
_WIDEST_INT_BITS = 256


def lowered(value: object) -> dict[str, Any]:
    """Return a JSON object with its keys in lower case; an empty one for anything else."""
    if isinstance(value, dict):
        return {key.lower(): inner for key, inner in value.items()}
    return {}


def unwrapped(value: object, suffixes: tuple[str, ...]) -> dict[str, Any]:
    """Return parameters with lower-case keys, taken out of their `<Operation>Request` wrapper where there is one."""
    body = lowered(value)
    if len(body) == 1:
        ((key, inner),) = body.items()
        if key.endswith(suffixes) and (inner == "" or isinstance(inner, dict)):
            return lowered(inner)
    return body


def as_list(value: object) -> Sequence[Any]:
    """Return the elements of a list in any of its forms; at most LONGEST_LIST of them."""
    if isinstance(value, list):
        return value[:LONGEST_LIST] if len(value) > LONGEST_LIST else value
    if value is None or value == "":
        return ()
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.lower() in _LIST_KEYS:
                if isinstance(inner, list):
                    return inner[:LONGEST_LIST]
                return () if inner is None or inner == "" else (inner,)
        return (value,) if value else ()
    return (value,)


def text(value: object, limit: int = 256) -> str | None:
    """Return a scalar as text of at most `limit` characters that UTF-8 can carry; None where empty or no scalar."""
    if value is None:
        return None
    if not isinstance(value, str):
        value = _spelled(value)
    if not value:
        return None
    if len(value) > limit:
        value = value[:limit]
    return value if value.isascii() else _SURROGATES.sub("\ufffd", value)


def _spelled(value: object) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        # Python refuses to spell integers of over 4300 digits in decimal.
        return str(value) if value.bit_length() <= _WIDEST_INT_BITS else hex(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, dict):
        content = lowered(value).get("content")
        if isinstance(content, str):
            return content
        return "" if content is None or isinstance(content, dict) else _spelled(content)
    return ""


_DIGITS = re.compile(r"[+-]?[0-9]{1,6}")


def port(value: object) -> int | None:
    """Return a port, or an ICMP type or code (-1 is any); None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    elif isinstance(value, str | dict):
        spelled = text(value, 16)
        if spelled is None or not _DIGITS.fullmatch(spelled.strip()):
            return None
        value = int(spelled)
    if isinstance(value, int) and -1 <= value <= 65535:
        return value
    return None


def truth(value: object) -> bool | None:
    """Return a boolean that may have become text on its way; None for what is none."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return None


def follow(body: Mapping[str, Any], steps: Sequence[str]) -> list[str]:
    """Return the texts at the end of a path of lower-case keys, passing through lists; `body` has lower-case keys."""
    nodes: Sequence[Any] = as_list(body.get(steps[0]))
    for step in steps[1:]:
        nodes = list(islice((inner for node in nodes for inner in as_list(lowered(node).get(step))), LONGEST_LIST))
    found = (text(node, 512) for node in nodes)
    return [value for value in found if value is not None]
