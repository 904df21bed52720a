"""`/search`: the box at the head of every page. What is typed there tells by its form what it is, and leads to the page of that."""

from __future__ import annotations

import re
import uuid

from exporter.web.pages.asked import Parameters
from exporter.web.pages.render import address

_GROUP = re.compile(r"sg-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_RULE = re.compile(r"sgr-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_HASH = re.compile(r"hash:[0-9a-f]{32}")


def found_by(parameters: Parameters) -> str:
    """Return the address of the page that answers what was typed."""
    text = (parameters.get("q") or [""])[-1].strip()
    word = text.lower()
    if _GROUP.fullmatch(word):
        return address("history", security_group_id=word)
    if _RULE.fullmatch(word):
        return address("history", rule_id=word)
    if _HASH.fullmatch(word) or _is_uuid(word):
        return address("event", event_id=word)
    return address("history", text=text) or "history"


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
