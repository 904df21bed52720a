"""Rule files as people write them: a comment above each rule that says why, expressions and templates over several lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from textwrap import indent, wrap
from typing import Any

import yaml

_WIDTH = 130

Rule = Mapping[str, Any]
Group = Mapping[str, Any]


def groups_text(groups: Sequence[Group], comments: Mapping[str, str]) -> str:
    """Return the YAML of `groups:`, a list of `{name, rules}`; `comments` are by name of a group, record or alert."""
    blocks = []
    for group in groups:
        rules = "\n".join(_rule(rule, comments) for rule in group["rules"])
        blocks.append(f"{_comment(comments.get(group['name'], ''))}- name: {group['name']}\n  rules:\n{indent(rules, '    ')}")
    return "groups:\n" + indent("\n".join(blocks), "  ")


def comment(text: str) -> str:
    """Return paragraphs as a comment of YAML."""
    return "#\n".join(_comment(paragraph) for paragraph in text.strip().split("\n\n") if paragraph.strip())


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in wrap(text, _WIDTH - 10, break_long_words=False, break_on_hyphens=False))


def _rule(rule: Rule, comments: Mapping[str, str]) -> str:
    lines = list(_entries(rule))
    name = str(rule.get("alert") or rule["record"])
    return _comment(comments.get(name, "")) + "- " + indent("\n".join(lines), "  ").lstrip() + ("\n" if "alert" in rule else "")


def _entries(entries: Mapping[str, Any]) -> Iterable[str]:
    for key, value in entries.items():
        if isinstance(value, Mapping):
            yield f"{key}:\n" + indent("\n".join(_entries(value)), "  ")
        elif "\n" in value:
            yield f"{key}: |-\n" + indent(value, "  ")
        elif key == "expr":
            yield f"{key}: {_scalar(value)}"
        else:
            yield f"{key}: {_scalar(value)}" if len(value) < _WIDTH - 20 else f"{key}: {_folded(value)}"


def _folded(text: str) -> str:
    """Return long text over several lines; only a single space may become the end of a line, or YAML would read another text."""
    if re.search(r"\s\s|^\s|\s$", text):
        return _scalar(text)
    lines = wrap(text, _WIDTH - 20, break_long_words=False, break_on_hyphens=False)
    return ">-\n" + indent("\n".join(lines), "  ")


def _scalar(text: str) -> str:
    """Return text on one line, in quotes only where YAML would take it for something else."""
    dumped: str = yaml.safe_dump(text, width=10**6, allow_unicode=True)
    return dumped.removesuffix("\n").removesuffix("\n...")
