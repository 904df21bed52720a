"""What the query string of a page asks for: the filters as they were written, the Query that they make, or what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from exporter.history.cursor import decode
from exporter.model import Outcome
from exporter.store.base import Position, Query
from exporter.timespan import parse_moment
from exporter.web.pages.render import address

PAGE = 50
"""Events on one page."""
_MOST_BACK = 16
"""Pages that the link to newer ones remembers; beyond them it leads to the newest."""

LABELS = {
    "text": "Text",
    "security_group_id": "Security group",
    "account_id": "Account",
    "region": "Region",
    "event_name": "Event",
    "principal": "Principal",
    "outcome": "Outcome",
    "rule_id": "Rule",
    "since": "Since",
    "until": "Until",
    "event_id": "Event id",
}
"""The filters of the history, in the order of the form."""

_SINGLE = ("text", "since", "until")

Parameters = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters as they were written, by name; `errors` says by name what is wrong with them ("after" is the link's own)."""

    values: Mapping[str, tuple[str, ...]]
    after: str = ""
    back: tuple[str, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    position: Position | None = None
    outcomes: tuple[Outcome, ...] = ()

    def query(self) -> Query:
        """Return the query of one page, with one event more than it shows: whether there is an older page."""
        values = self.values
        return Query(
            security_groups=values["security_group_id"],
            rule_ids=values["rule_id"],
            event_names=values["event_name"],
            principals=values["principal"],
            accounts=values["account_id"],
            regions=values["region"],
            outcomes=self.outcomes,
            since=self.since,
            until=self.until,
            limit=PAGE + 1,
            event_ids=values["event_id"],
            text=" ".join(values["text"]),
            after=self.position,
        )

    @property
    def given(self) -> dict[str, tuple[str, ...]]:
        """The filters that there are."""
        return {name: values for name, values in self.values.items() if values}

    @property
    def one_group(self) -> str:
        """The security group, where exactly one is asked for."""
        groups = self.values["security_group_id"]
        return groups[0] if len(groups) == 1 else ""

    def chips(self) -> list[dict[str, str]]:
        """Return each filter with the link that takes it away."""
        chips = []
        for name, values in self.given.items():
            for value in values:
                others = self.given | {name: tuple(other for other in values if other != value)}
                chips.append({"label": LABELS[name], "value": value, "link": address("history", **others)})
        return chips

    def newest(self) -> str:
        """Return the link to the first page; that of all changes where the filters are too long for one."""
        return address("history", **self.given) or "history"

    def newer(self) -> str:
        """Return the link to the page before, empty where that is not remembered."""
        if not self.back:
            return ""
        *back, after = self.back
        return address("history", **self.given, after="" if after == "." else after, back="~".join(back))

    def older(self, after: str) -> str:
        """Return the link to the page behind a cursor."""
        back = (*self.back, self.after or ".")[-_MOST_BACK:]
        return address("history", **self.given, after=after, back="~".join(back))


def read_asked(parameters: Parameters, now: datetime) -> Asked:
    """Return what is asked for; never raises, what is wrong stands in `errors`."""
    values: dict[str, tuple[str, ...]] = {}
    for name in LABELS:
        found = tuple(dict.fromkeys(text for value in parameters.get(name, ()) if (text := value.strip())))
        values[name] = found[-1:] if name in _SINGLE else found
    errors: dict[str, str] = {}
    moments: dict[str, datetime | None] = {"since": None, "until": None}
    for name in moments:
        for text in values[name]:
            try:
                moments[name] = parse_moment(text, now)
            except ValueError as error:
                errors[name] = str(error)
    since, until = moments["since"], moments["until"]
    if since and until and until <= since:
        errors["until"] = "until must be later than since"
    outcomes = []
    for text in values["outcome"]:
        try:
            outcomes.append(Outcome(text))
        except ValueError:
            errors["outcome"] = f"{text!r:.60} is no outcome; choose {', '.join(Outcome)}"
    after = _last(parameters, "after")
    position = None
    if after:
        try:
            position = decode(after)
        except ValueError:
            errors["after"] = "the link to this page of the history is damaged; start from the newest"
    back = tuple(filter(None, _last(parameters, "back").split("~")))[-_MOST_BACK:]
    return Asked(values, after, back, errors, since, until, position, tuple(outcomes))


def _last(parameters: Parameters, name: str) -> str:
    return (parameters.get(name) or [""])[-1].strip()
