"""The rules of a change as lines of a diff: what was is red, what is now is green, and what differs between the two is marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from exporter.history.rows import rule_words
from exporter.model import ChangeEvent, Rule, RuleAction, RuleChange
from exporter.parse.asked import asked_changes

UNTOLD = "a rule that the record does not tell"
_LINES = 20
"""Lines shown at once; the rest unfolds. One line alone is not worth folding."""
LISTED_RULES = 100
"""Rules of one change in a list: fifty changes of a thousand rules each would be a page of megabytes."""
MOST_RULES = 5000
"""Rules of one change on its own page."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `kind` is added, removed, modified or described; `parts` are texts with whether they differ from the other side."""

    kind: str
    parts: tuple[tuple[str, bool], ...]

    @property
    def text(self) -> str:
        """The whole line."""
        return "".join(text for text, _ in self.parts)


@dataclass(frozen=True, slots=True)
class Diff:
    """The lines of one event, those shown at once and those that unfold; `left_out` rules are beyond all bounds.

    `attempted` says that nothing of it was done: the call was denied, failed or dry.
    """

    lines: tuple[Line, ...] = ()
    more: tuple[Line, ...] = ()
    left_out: int = 0
    attempted: bool = False


def diff_of(event: ChangeEvent, most: int = LISTED_RULES) -> Diff:
    """Return what an event changed, or had asked for in vain (of which only the raw record tells); at most so many rules."""
    changes, attempted = event.rule_changes, False
    if not changes:
        changes, attempted = asked_changes(event), True
    lines = [line for change in changes[:most] for line in _lines(change)]
    at_once = _LINES if len(lines) > _LINES + 1 else len(lines)
    return Diff(tuple(lines[:at_once]), tuple(lines[at_once:]), max(0, len(changes) - most), attempted and bool(changes))


def _lines(change: RuleChange) -> Iterator[Line]:
    if change.before is not None:
        # An id is never changed, so one that was told once says nothing the second time.
        before = replace(change.before, rule_id=None) if change.before.rule_id == change.rule.rule_id else change.before
        was, now = rule_words(before), rule_words(change.rule)
        yield Line("removed", _parts("- ", was, now))
        yield Line("added", _parts("+ ", now, was))
    elif change.action is RuleAction.ADDED:
        yield Line("added", _parts("+ ", rule_words(change.rule)))
    elif change.action is RuleAction.REMOVED:
        yield Line("removed", _parts("- ", rule_words(change.rule)))
    else:
        yield Line(change.action.value, _parts("~ ", rule_words(change.rule)))


def _parts(sign: str, words: Mapping[str, str], other: Mapping[str, str] | None = None) -> tuple[tuple[str, bool], ...]:
    """Return runs of words, each run equal to the other side or different; a rule id alone is no difference."""
    if not words:
        return ((sign + UNTOLD, False),)
    runs: list[tuple[str, bool]] = [(sign, False)]
    for name, word in words.items():
        differs = other is not None and name != "id" and other.get(name) != word
        text, marked = runs[-1]
        space = "" if text == sign else " "
        if differs is marked:
            runs[-1] = (f"{text}{space}{word}", marked)
        elif differs:  # the space between belongs to what is not marked
            runs[-1] = (text + space, marked)
            runs.append((word, differs))
        else:
            runs.append((space + word, differs))
    return tuple(runs)


def rule_cells(rule: Rule) -> dict[str, str]:
    """Return the cells of a rule in a table: traffic, peer, id and description."""
    words = rule_words(rule)
    traffic = " ".join(words[name] for name in ("protocol", "ports") if name in words)
    return {"traffic": traffic or "–", "peer": rule.peer or "–", "rule_id": rule.rule_id or "", "description": rule.description or ""}
