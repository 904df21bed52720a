"""Firings against the truth: which incidents paged, how soon, and which pages nobody needed (docs/simulation.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from simulation.activity.careless import CAUSE
from simulation.evaluate import Firing
from simulation.incidents import Incident
from simulation.model import HOUR, WEEK, Span
from simulation.prometheus import STEP
from simulation.scrape import PHASE, SCRAPE
from simulation.world import World

GRACE = HOUR
"""How long after its last change is recorded a firing still belongs to an incident, and how long silence is within one page."""

Verdict = Literal["incident", "storm", "careless", "false"]


@dataclass(frozen=True, slots=True)
class Page:
    """One notification: the first critical alert of an account and region after an hour without; `verdict` is what it was about."""

    firings: tuple[Firing, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one incident: the rules that saw it, and how many evaluations after the scrape that shows enough; None: no page."""

    incident: Incident
    rules: tuple[str, ...]
    delay: int | None


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one set of rules over one world."""

    outcomes: Sequence[Outcome]
    pages: Sequence[Page]
    weeks: float

    @property
    def due(self) -> list[Outcome]:
        """Return what became of the incidents that must page."""
        return [outcome for outcome in self.outcomes if outcome.incident.pages]

    @property
    def recall(self) -> float:
        """Return the share of those incidents that paged."""
        return sum(outcome.delay is not None for outcome in self.due) / len(self.due)

    @property
    def false(self) -> list[Page]:
        """Return the pages that nobody needed, deploy storms among them."""
        return [page for page in self.pages if page.verdict in ("false", "storm")]

    @property
    def precision(self) -> float:
        """Return the share of pages about incidents among those and the false ones; careless openings count for neither."""
        true = sum(page.verdict == "incident" for page in self.pages)
        return true / (true + len(self.false)) if true else 0.0

    @property
    def false_a_week(self) -> float:
        """Return the false pages of a week over all places."""
        return len(self.false) / self.weeks

    @property
    def in_time(self) -> float:
        """Return the share of the incidents that must page of which a page came within two evaluations."""
        return sum(outcome.delay is not None and outcome.delay <= 2 for outcome in self.due) / len(self.due)

    def delays(self, kind: str | None = None) -> list[int]:
        """Return the delays of the incidents that paged as they must, sorted."""
        return sorted(o.delay for o in self.due if o.delay is not None and kind in (None, o.incident.kind))


def _seen(world: World) -> Mapping[str, list[int]]:
    """Return when the changes of each cause were recorded, in order."""
    found: dict[str, list[int]] = defaultdict(list)
    for recorded in world.live:
        found[recorded.change.cause].append(recorded.at)
    return found


def _about(firing: Firing, account: str, region: str, span: Span) -> bool:
    """Return whether a firing began within a span at a place; one without region is about all of its account."""
    return firing.account_id == account and firing.region in ("", region) and firing.span.start in span


def pages(firings: Iterable[Firing]) -> list[list[Firing]]:
    """Return firings as pages, one for an account and region until no alert of it has fired for an hour, as Alertmanager groups them.

    An alert without region is a group of its own.
    """
    found: list[list[Firing]] = []
    latest: dict[tuple[str, str], tuple[list[Firing], int]] = {}
    for firing in sorted(firings, key=lambda firing: (firing.span.start, firing.rule)):
        place = firing.account_id, firing.region
        page, fires_until = latest.get(place, ([], -GRACE))
        if firing.span.start - fires_until >= GRACE:
            page = []
            found.append(page)
        page.append(firing)
        latest[place] = page, max(fires_until, firing.span.end)
    return found


def score(world: World, firings: Sequence[Firing], rules: Collection[str]) -> Score:
    """Return the figures of these rules alone."""
    firings = [firing for firing in firings if firing.rule in rules]
    seen = _seen(world)
    spans = {incident.name: Span(seen[incident.name][0], seen[incident.name][-1] + GRACE) for incident in world.incidents}
    careless = [(recorded.change.unit, Span(recorded.at, recorded.at + GRACE)) for recorded in world.live if recorded.change.cause == CAUSE]

    def verdict(firing: Firing) -> Verdict:
        verdicts: list[Verdict] = [
            "incident" if incident.pages else "storm"
            for incident in world.incidents
            if _about(firing, incident.place.unit.account_id, incident.place.unit.region, spans[incident.name])
        ]
        if any(_about(firing, unit.account_id, unit.region, span) for unit, span in careless):
            verdicts.append("careless")
        return min(verdicts, key=("incident", "careless", "storm").index) if verdicts else "false"

    return Score(
        [_outcome(incident, firings, spans[incident.name], seen[incident.name]) for incident in world.incidents],
        # A page is judged by what woke the person; what joined it later woke nobody.
        [Page(tuple(group), verdict(group[0])) for group in pages(firings)],
        (world.period.judged.end - world.period.judged.start) / WEEK,
    )


def _outcome(incident: Incident, firings: Iterable[Firing], span: Span, seen: Sequence[int]) -> Outcome:
    unit = incident.place.unit
    mine = [firing for firing in firings if _about(firing, unit.account_id, unit.region, span)]
    if not mine:
        return Outcome(incident, (), None)
    enough = seen[max(incident.enough, 1) - 1]
    shown = -(-(enough - PHASE) // SCRAPE) * SCRAPE + PHASE
    first = min(firing.span.start for firing in mine)
    return Outcome(incident, tuple(sorted({firing.rule for firing in mine})), -((shown - first) // STEP))
