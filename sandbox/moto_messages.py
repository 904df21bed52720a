"""Has moto write the messages of S3 and EventBridge as those services do.

S3: slashes of keys stand unencoded, and a sequencer orders the events of one key. EventBridge: the envelope is passed on
whole, to the event bus of another account or region too; moto loses account, region and time, and looks for placeholders in the
event's own text.
Sources: Amazon S3 user guide, "Event message structure"; EventBridge user guide, "Events".
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from copy import copy, deepcopy
from functools import partial, wraps
from typing import Any
from urllib.parse import quote_plus

from moto.events.models import Rule, events_backends
from moto.events.utils import EventTemplateParser
from moto.s3 import notifications

_MARK = "_sandbox_corrected"


def correct() -> None:
    """Correct the messages of this process's moto from now on; again is nothing."""
    original: Callable[..., dict[str, Any]] = notifications._get_s3_event  # noqa: SLF001 - moto has no other way
    if hasattr(original, _MARK):
        return
    vars(notifications)["quote_plus"] = partial(quote_plus, safe="/")
    corrected = _with_sequencer(original, itertools.count(1))
    setattr(corrected, _MARK, True)
    notifications._get_s3_event = corrected  # noqa: SLF001
    Rule.send_to_targets = _forwarding(Rule.send_to_targets)  # type: ignore[method-assign]
    EventTemplateParser.parse = staticmethod(_whole_unless_transformed(EventTemplateParser.parse))  # type: ignore[method-assign]


def _with_sequencer(original: Callable[..., dict[str, Any]], numbers: Iterator[int]) -> Callable[..., dict[str, Any]]:
    @wraps(original)
    def event(*args: Any, **named: Any) -> dict[str, Any]:
        message = original(*args, **named)
        for record in message["Records"]:
            record["s3"]["object"]["sequencer"] = f"{next(numbers):018X}"
        return message

    return event


def _whole_unless_transformed(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @wraps(original)
    def parse(input_template: str | None, input_paths_map: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
        if input_template:
            return original(input_template=input_template, input_paths_map=input_paths_map, event=event)
        return {name: value for name, value in event.items() if name != "ingestion-time"}

    return parse


def _forwarding(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def send(rule: Rule, event: Any, transform_input: bool = True) -> None:
        buses = [target for target in rule.targets if ":event-bus/" in target["Arn"]]
        if not buses:
            return original(rule, event, transform_input)
        if rule.event_pattern.matches_event(event):
            for target in buses:
                _, _, _, region, account_id, name = target["Arn"].split(":", 5)
                bus = events_backends[account_id][region].describe_event_bus(name.partition("/")[2])
                for other in list(bus.rules.values()):
                    other.send_to_targets(deepcopy(event))
        rest = copy(rule)
        rest.targets = [target for target in rule.targets if target not in buses]
        return original(rest, event, transform_input)

    return send
