"""The figures as text: one table of the whole, one by kind of incident, one by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulation.incidents import KINDS
from simulation.score import Page, Score


def _median(values: Sequence[int]) -> str:
    return f"{values[(len(values) - 1) // 2]:d}" if values else "-"


def _nearly_all(values: Sequence[int]) -> str:
    return f"{values[min(len(values) - 1, int(0.95 * len(values)))]:d}" if values else "-"


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows in columns, the first to the left and all others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(row: Sequence[str]) -> str:
        first, *rest = zip(row, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip()

    return [line(row) for row in rows]


def whole(scores: Mapping[str, Score]) -> list[str]:
    """Return a line of figures for each set of rules."""
    rows = [["rules", "recall", "precision", "false/week", "median delay", "95 % within", "in 2 evaluations", "storms paged"]]
    for name, score in scores.items():
        delays = score.delays()
        storms = [outcome for outcome in score.outcomes if not outcome.incident.pages]
        rows.append(
            [
                name,
                f"{score.recall:.3f}",
                f"{score.precision:.3f}",
                f"{score.false_a_week:.2f}",
                _median(delays),
                _nearly_all(delays),
                f"{score.in_time:.3f}",
                f"{sum(o.delay is not None for o in storms)} of {len(storms)}",
            ]
        )
    return _lines(rows)


def by_kind(score: Score) -> list[str]:
    """Return a line for each kind of incident."""
    rows = [["incident", "number", "paged", "median delay", "longest", "in 2 evaluations"]]
    for kind in KINDS:
        mine = [outcome for outcome in score.outcomes if outcome.incident.kind == kind.name]
        delays = sorted(outcome.delay for outcome in mine if outcome.delay is not None)
        rows.append(
            [
                kind.name + ("" if kind.pages else " (must not page)"),
                str(len(mine)),
                str(len(delays)),
                _median(delays) if kind.pages else "",
                (str(delays[-1]) if delays else "-") if kind.pages else "",
                str(sum(delay <= 2 for delay in delays)) if kind.pages else "",
            ]
        )
    return _lines(rows)


def _woke(page: Page, rule: str) -> bool:
    return any(firing.rule == rule and firing.span.start == page.firings[0].span.start for firing in page.firings)


def by_rule(score: Score, rules: Sequence[str]) -> list[str]:
    """Return a line for each rule: incidents that it saw, those that no other saw, and the pages that it began."""
    rows = [["rule", "incidents", "by it alone", "pages begun", "false"]]
    for rule in rules:
        seen = [outcome for outcome in score.due if rule in outcome.rules]
        begun = [page for page in score.pages if _woke(page, rule)]
        rows.append(
            [
                rule,
                str(len(seen)),
                str(sum(outcome.rules == (rule,) for outcome in seen)),
                str(len(begun)),
                str(sum(page.verdict in ("false", "storm") for page in begun)),
            ]
        )
    return _lines(rows)


def text(title: str, scores: Mapping[str, Score], rules: Sequence[str]) -> str:
    """Return all tables; those by kind and by rule are of the first set of rules."""
    first = next(iter(scores.values()))
    verdicts = [page.verdict for page in first.pages]
    counted = (
        f"pages: {len(first.pages)} in all; {verdicts.count('incident')} about incidents, {verdicts.count('storm')} about deploy storms, "
        f"{verdicts.count('false')} about nothing, {verdicts.count('careless')} about careless openings (due, though no incident)"
    )
    parts = [[title], whole(scores), by_kind(first), by_rule(first, rules), [counted]]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"
