"""The parameters of a search for events, and the query that they make."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

from exporter.history import cursor
from exporter.model import Outcome
from exporter.store.base import Position, Query
from exporter.store.words import MAX_WORDS
from exporter.timespan import parse_moment
from exporter.web.api.endpoint import Asked
from exporter.web.api.parameters import Parameter, formed, number, one_of, plain
from exporter.web.api.problems import Fault, bad_request

MAX_LIMIT, DEFAULT_LIMIT = 1000, 100
EVENT_ID = r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|hash:[0-9a-f]{32})"
EXAMPLE_ID = "6c604d53-0000-4000-8000-000000000000"
_DURATION = r"(?:[0-9]{1,5}(?:ms|[smhdwy])){1,4}"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MOMENT = rf"{_DAY}[Tt][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{1,9}})?(?:[Zz]|[+-][0-9]{{2}}:[0-9]{{2}})"


def moment(text: str, now: datetime) -> datetime:
    """Return the moment that a duration before now, a day or an RFC 3339 time names; raise ValueError for none."""
    text = text.upper() if "-" in text else text
    if text.startswith("0000"):  # a year of RFC 3339 that Python has not
        text = "0001" + text[4:]
    try:
        return parse_moment(text.replace(":60", ":59"), now)  # a leap second is one of RFC 3339, too
    except ValueError:
        if re.fullmatch(_MOMENT, text) and text[:4] in ("0001", "9999"):
            parse_moment(text[:19], now)  # only the offset leads out of what there is
            return datetime.min.replace(tzinfo=UTC) if text.startswith("0001") else datetime.max.replace(tzinfo=UTC)
        raise


def _checked(text: str) -> str:
    moment(text, datetime(2026, 1, 31, tzinfo=UTC))
    return text


def _time(name: str, description: str) -> Parameter:
    found = formed(
        name, description, rf"(?:{_DURATION}|{_DAY}|{_MOMENT})", "90d, 2026-01-31 or 2026-01-31T13:00:00Z", _checked, example="90d"
    )
    forms = ({"pattern": f"^{_DURATION}$"}, {"format": "date"}, {"format": "date-time"})
    return replace(found, schema={"anyOf": [{"type": "string", **form} for form in forms]})


FILTERS = (
    plain("security_group_id", "Events aimed at this group, or that touched the resource of this id.", 256, repeated=True),
    plain("rule_id", "Events that name this rule.", 256, repeated=True, example="sgr-0123456789abcdef0"),
    plain("event_name", "This call; `*` stands for any run of characters.", 256, repeated=True, example="*SecurityGroup*"),
    plain("principal", "This principal, session or ARN; `*` stands for any run of characters.", 2048, repeated=True, example="role/Deploy"),
    plain("account_id", "This account.", 64, repeated=True, example="111122223333"),
    plain("region", "This region.", 64, repeated=True, example="us-east-1"),
    one_of("outcome", "This outcome.", [outcome.value for outcome in Outcome], repeated=True),
    formed(
        "event_id", "This event.", EVENT_ID, "a lower-case UUID, or hash: and 32 hexadecimal digits", repeated=True,
        example=EXAMPLE_ID,
    ),
    _time("since", "Events at or after this time: so long ago, a day or a moment; UTC where it does not say."),
    _time("until", "Events before this time."),
    plain(
        "text", "Words, each of which stands in the call, who made it, from where, or the ids and rules it touched; "
        f"whatever their case. Of more than {MAX_WORDS} the first count.", 256, example="198.51.100.7",
    ),
    number("limit", "At most so many events. A page may have fewer, and a `next` nonetheless.", 1, MAX_LIMIT, DEFAULT_LIMIT),
    # What is a cursor cannot be told by a pattern, and one that nearly does would promise too much.
    Parameter(
        "cursor", "Where the page before ended: its `next`.", {"type": "string", "format": "cursor"},
        "what `next` of an answer held, unchanged", cursor.decode,
        example=cursor.encode(Position(datetime(2026, 1, 31, 13, tzinfo=UTC), EXAMPLE_ID)),
    ),
)  # fmt: skip


def is_relative(asked: Asked) -> bool:
    """Tell whether what is asked for depends on when it is asked."""
    return any(asked[name] and re.fullmatch(_DURATION, asked[name]) for name in ("since", "until"))


def query_of(asked: Asked, now: datetime) -> Query:
    """Return what is asked for; raise Problem where no time can be both."""
    since, until = (moment(asked[name], now) if asked[name] else None for name in ("since", "until"))
    if since is not None and until is not None and until <= since:
        raise bad_request(Fault("until", "a time later than since"))
    return Query(
        asked["security_group_id"], asked["rule_id"], asked["event_name"], asked["principal"], asked["account_id"], asked["region"],
        tuple(Outcome(name) for name in asked["outcome"]), since, until, event_ids=asked["event_id"], text=asked["text"] or "",
        after=asked["cursor"],
    )  # fmt: skip
