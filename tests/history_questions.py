"""Lifelike records drawn from a seed, and questions about them with every filter: what places of history are compared by."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from exporter.demo.trail import TrailGenerator
from exporter.model import ChangeEvent, Outcome
from exporter.store.base import Query

ALL = 10_000


def lifelike(seed: int, count: int, days: float, until: datetime) -> list[dict[str, Any]]:
    """Return management events of some days up to a time, changes among others; some come twice, and some later in a fuller version."""
    dice = random.Random(seed)
    made = TrailGenerator(seed).records(count, until - timedelta(days=days), until - timedelta(hours=1), change_share=0.6)
    records = []
    for record in (dict(each.record) for each in made):
        if record["eventCategory"] != "Management":
            continue  # Event history has no others
        if dice.random() < 0.05:
            # The answer came too late for the first record, as AWS says of addenda.
            addendum = {"reason": "UPDATED_DATA", "updatedFields": "responseElements", "originalEventID": record["eventID"]}
            own_id = str(UUID(int=dice.getrandbits(128), version=4))
            records += [{**record, "responseElements": None}, {**record, "eventID": own_id, "addendum": addendum}]
        else:
            records += [record] * dice.choice((1,) * 19 + (2,))
    return records


def questions(seed: int, count: int, events: Sequence[ChangeEvent], names: Sequence[str]) -> Iterator[Query]:
    """Yield questions that have an answer in these events, nearly all; each filter of these names is in some, alone and with others."""
    dice = random.Random(seed)
    for _ in range(count):
        aim = dice.choice(events)
        query = Query(limit=ALL)
        for name in dice.sample(names, k=dice.choice((1, 1, 2, 2, 3))):
            query = replace(query, **_FILTERS[name](dice, aim))
        yield query


def _groups(dice: random.Random, aim: ChangeEvent) -> dict[str, Any]:
    ids = [*aim.security_groups, *(resource.id for resource in aim.resources)]
    return {"security_groups": tuple(dice.sample(ids, k=min(len(ids), 2)))}


def _rules(dice: random.Random, aim: ChangeEvent) -> dict[str, Any]:
    ids = [change.rule.rule_id for change in aim.rule_changes if change.rule.rule_id]
    return {"rule_ids": (dice.choice(ids) if ids else "sgr-0123456789abcdef0",)}


def _names(dice: random.Random, aim: ChangeEvent) -> dict[str, Any]:
    pattern = dice.choice((aim.event_name, f"{aim.event_name[:9]}*", "*SecurityGroup*", "*Ingress"))
    return {"event_names": (pattern, *dice.sample(["DeleteSecurityGroup", "Revoke*"], k=dice.choice((0, 1))))}


def _principals(dice: random.Random, aim: ChangeEvent) -> dict[str, Any]:
    who = aim.principal
    return {"principals": (dice.choice([text for text in (who.name, who.session, who.arn, f"{who.name[:5]}*") if text]),)}


def _times(dice: random.Random, aim: ChangeEvent) -> dict[str, Any]:
    # To the second: whether a bound counts must be the same everywhere.
    since = aim.event_time - dice.choice((timedelta(0), timedelta(hours=7), timedelta(days=3)))
    until = aim.event_time + dice.choice((timedelta(seconds=1), timedelta(hours=5), timedelta(days=9)))
    return dice.choice(({"since": since}, {"until": until}, {"since": since, "until": until}, {"since": since, "until": aim.event_time}))


def _words(dice: random.Random, aim: ChangeEvent) -> dict[str, Any]:
    who = aim.principal
    texts = [aim.event_name, who.name, who.source_ip or "", who.user_agent or "", *aim.security_groups, *_peers(aim)]
    word = dice.choice([text for text in texts if text]).split()[0]
    part = word if len(word) < 5 else word[1 : dice.randint(4, len(word))]
    return {"text": dice.choice((word, part.upper(), f"{part} {aim.region}"))}


def _peers(aim: ChangeEvent) -> list[str]:
    return [text for change in aim.rule_changes for text in (change.rule.peer, change.rule.description) if text]


_FILTERS = {
    "security_groups": _groups,
    "rule_ids": _rules,
    "event_names": _names,
    "principals": _principals,
    "accounts": lambda _dice, aim: {"accounts": (aim.account_id,)},
    "regions": lambda _dice, aim: {"regions": (aim.region,)},
    "outcomes": lambda dice, aim: {"outcomes": (aim.outcome, dice.choice(list(Outcome)))},
    "times": _times,
    "event_ids": lambda _dice, aim: {"event_ids": (aim.event_id,)},
    "text": _words,
}
"""Each filter of a query, drawn so that an event matches it."""

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
"""The time at which all is asked."""
