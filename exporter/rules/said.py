"""Who did what, told in the alert itself: Go templates that ask Prometheus when the alert fires.

What they list is bounded (three principals, five calls), and so is each name. Names are the callers' own text: one that holds
anything but the characters of IAM names stands in quotes, with escapes, so that it cannot pass for the text around it.
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter.families import OTHER

_NAME = 'printf "%.64q" | reReplaceAll "^\\"([\\\\w/+=.@:-]+)\\"$" "$1"'
_NARROWED = '{{{{ with $labels.{0} }}}}{{{{ $of = printf "%s,{0}=%q" $of . }}}}{{{{ end }}}}'


@dataclass(frozen=True, slots=True)
class Told:
    """A list of the greatest counts of a counter, by its label `name`, and by `at`, where or on what: a preposition and a label.

    `%s` in the counter stands for the matchers of account_id and of `narrowed`, as far as the alert has these labels. `each` are the
    labels of one count. `born` is for series that nobody promised a zero: one at 0 is held at its birth (metrics.birth_hold), so its
    first change was just now. `where` is said behind the list, `none` in its place; both may hold `${threshold}`.
    """

    counter: str
    each: tuple[str, ...]
    name: str
    most: int
    none: str
    at: tuple[str, str] | None = None
    narrowed: tuple[str, ...] = ("region",)
    born: bool = False
    where: str = ""

    def template(self, window: str) -> str:
        """Return the Go template for what was counted in a window."""
        of = '{{ $of := printf "account_id=%q" $labels.account_id }}' + "".join(map(_NARROWED.format, self.narrowed))
        by = self.name if self.at is None else f"{self.name}, {self.at[1]}"
        each = ", ".join(self.each)
        counter = self.counter.replace('"', '\\"')
        born = f" or ({counter} == 0) + 1" if self.born else ""
        # One more than is shown, to tell that there are others. increase() reads a little high: what lies between is no change.
        query = f"topk({self.most + 1}, sum by ({by}) (max by ({each}) (floor(increase({counter}[{window}]) + 0.01) > 0{born})))"
        text = _named(f".Labels.{self.name}")
        if self.at is not None:
            at = f".Labels.{self.at[1]}"
            text += f'{{{{ if and {at} (ne {at} "{OTHER}") }}}} {self.at[0]} {{{{ {at} | {_NAME} }}}}{{{{ end }}}}'
        shown = f"{{{{ if lt $i {self.most} }}}}{{{{ if $i }}}}, {{{{ end }}}}{text} ({{{{ .Value }}}}){{{{ else }}}} and more{{{{ end }}}}"
        listed = f"{{{{ range $i, $_ := . }}}}{shown}{{{{ end }}}} in {window}{self.where}"
        return f'{of}{{{{ with printf "{query}" $of{" $of" if self.born else ""} | query }}}}{listed}{{{{ else }}}}{self.none}{{{{ end }}}}'


def _named(value: str) -> str:
    return f'{{{{ if eq {value} "{OTHER}" }}}}others{{{{ else }}}}{{{{ {value} | {_NAME} }}}}{{{{ end }}}}'


@dataclass(frozen=True, slots=True)
class Said:
    """What the annotations `who` and `what` of an alert are made from; who is a plain text where no counter tells."""

    who: Told | str
    what: Told


def changes(matcher: str = "") -> Said:
    """Return who changed which groups with which calls, of the changes that a matcher selects, and successfully."""
    counter = f"awschange_security_group_changes_total{{%s{',' if matcher else ''}{matcher}}}"
    each = ("security_group_id", "event_name", "principal")
    narrowed = ("region", "security_group_id", "principal")
    none = "no change of a group was counted lately; the history has all"
    return Said(
        who=Told(counter, each, "principal", 3, none, narrowed=narrowed, born=True),
        what=Told(counter, each, "event_name", 5, none, at=("on", "security_group_id"), narrowed=narrowed, born=True),
    )


CHANGES = changes()
"""All successful changes of groups."""

_NONE = "no such call was counted lately; the history has all"

CALLS = Said(
    who=Told(
        "awschange_principal_changes_total{%s}",
        ("principal_type", "principal"), "principal", 3, "no change was counted by name lately; the history has all",
        narrowed=("principal",), born=True, where=", of all changes of the account",
    ),
    what=Told(
        'awschange_events_total{%s,outcome="success",event_name=~"${calls}"}', ("region", "event_source", "event_name"), "event_name", 5, _NONE
    ),
)  # fmt: skip
"""Successful calls that touch no security group, of an alert whose threshold `calls` says which."""

REFUSED = Said(
    who="refused calls are not counted by name; the history has all",
    what=Told(
        'awschange_events_total{%s,outcome="denied"}', ("region", "event_source", "event_name"), "event_name", 5, _NONE, at=("in", "region")
    ),
)
"""Calls that were not allowed."""


def said_annotations(said: Said, window: str) -> dict[str, str]:
    """Return the annotations `what` and `who` of an alert that has the label account_id."""
    who = said.who if isinstance(said.who, str) else said.who.template(window)
    return {"what": said.what.template(window), "who": who}
