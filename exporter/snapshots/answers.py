"""What stands, found in a saved answer of AWS, whatever call, tool or channel it came from.

Which state of a group counts where a file has several: of configuration items the newest by capture time, however they are
sorted, and nothing where that one says that the group is deleted. Answers of EC2 bear no time, so each distinct state is one
more sighting. Rules of DescribeSecurityGroupRules, which comes in pages, are one state together; they stand in for the group of
DescribeSecurityGroups that has the same rules, and lend it their ids. Entries of a prefix list from several pages are one list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import BinaryIO

from exporter.errors import SourceError
from exporter.model import Rule
from exporter.posture.standing import Group, PrefixList
from exporter.snapshots.answer_members import LARGE
from exporter.snapshots.answer_text import read_text, values_in
from exporter.snapshots.answer_walk import ACCEPTED, CONTAINERS, Found, Recorded, Walk
from exporter.snapshots.shapes import ordered
from exporter.text import visible


@dataclass(frozen=True, slots=True)
class Sighting:
    """One state of a group, and where it is; account and region are empty where the answer does not tell."""

    group: Group
    account_id: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """What one file holds. `problems` are what could not be read, `notes` what a person should know, both with the path in the file."""

    sightings: tuple[Sighting, ...] = ()
    prefix_lists: Mapping[str, PrefixList] | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_answers(file: BinaryIO, name: str, large: int = LARGE) -> Answers:
    """Return what a file holds; a document of over `large` bytes is read in pieces.

    Raises SourceError where the file cannot be read, or nothing in it is of a known kind.
    """
    walk = Walk()
    problems: list[str] = []
    for path, value in values_in(read_text(file, name), name, problems, CONTAINERS, large):
        walk.visit(value, path)
    found = walk.found
    if not found.known:
        unknown = "\n".join(found.unknown[:3]) or "$ holds nothing"
        raise SourceError("unreadable", "\n".join(f"{visible(name)}: {visible(line, 600)}" for line in (*unknown.splitlines(), ACCEPTED)))
    recorded = tuple(_newest(found.recorded))
    sightings = (
        *(Sighting(item.group, item.account_id, item.region) for item in recorded if item.group),
        *_described(found),
    )
    return Answers(
        tuple(sorted(sightings, key=lambda sighting: (sighting.account_id, sighting.region, sighting.group.group_id))),
        merged_lists(found.prefix_lists),
        (*problems, *found.problems, *(item.problem for item in recorded if item.problem), *found.unknown),
        tuple(found.notes),
    )


def merged_lists(lists: Iterable[PrefixList]) -> dict[str, PrefixList]:
    """Return one list for each id: the newest version that is told, with the entries of all pages of it."""
    merged: dict[str, PrefixList] = {}
    for found in lists:
        known = merged.get(found.list_id)
        if known is None or _age(found) > _age(known):
            merged[found.list_id] = found
        elif _age(found) == _age(known):
            entries = tuple(sorted({*known.entries, *found.entries}))
            merged[found.list_id] = replace(
                known, entries=entries, name=known.name or found.name, owner_id=known.owner_id or found.owner_id
            )
    return merged


def _age(found: PrefixList) -> tuple[int, datetime]:
    return -1 if found.version is None else found.version, found.captured_at or datetime.min.replace(tzinfo=UTC)


def _newest(items: Iterable[Recorded]) -> Iterable[Recorded]:
    """Return the newest item of each group; of items without a time each distinct one."""
    timed: dict[tuple[str, str, str], tuple[datetime, int, Recorded]] = {}
    untimed: dict[Recorded, None] = {}
    for item in items:
        key = item.account_id, item.region, item.group_id
        if item.captured_at is None:
            untimed.setdefault(item)
        elif key not in timed or (item.captured_at, item.state_id) > timed[key][:2]:
            timed[key] = item.captured_at, item.state_id, item
    return (*(item for _, _, item in timed.values()), *untimed)


def _described(found: Found) -> Iterable[Sighting]:
    """Yield each distinct state of the groups that EC2 described."""
    groups = dict.fromkeys(Sighting(group, group.owner_id, region) for group, region in found.described)
    by_id: dict[str, list[Sighting]] = {}
    for sighting in groups:
        by_id.setdefault(sighting.group.group_id, []).append(sighting)
    rules: dict[str, dict[Rule, None]] = {}
    places: dict[str, tuple[str, str]] = {}
    for rule in found.rules:
        rules.setdefault(rule.group_id, {}).setdefault(rule.rule)
        account_id, region = places.get(rule.group_id, ("", ""))
        places[rule.group_id] = account_id or rule.account_id, region or rule.region
    for group_id, of_group in rules.items():
        with_ids = ordered(of_group)
        account_id, region = places[group_id]
        bare = _bare(with_ids) if group_id in by_id else ()
        twins = [twin for twin in by_id.get(group_id, ()) if _bare(twin.group.rules) == bare]
        for twin in twins:
            del groups[twin]
            yield Sighting(replace(twin.group, rules=with_ids), twin.account_id or account_id, twin.region or region)
        if not twins:
            yield Sighting(Group(group_id, rules=with_ids, owner_id=account_id), account_id, region)
    yield from groups


def _bare(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    return ordered(replace(rule, rule_id=None) for rule in rules)
