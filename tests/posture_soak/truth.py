"""The truth of a soak: what stands, what those know who know all events and readings, and what must have come of it.

Both are kept beside the sandbox by who makes the changes. `actual` is what stands. `told` is how it would stand if nothing had happened
since the last whole reading but what was recorded: where a reading differs from it, somebody worked in the dark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace

from tests.posture_soak.judge import Rule, classes, newly_open, open_rules, opened

NOBODY = "unknown"
Gauge = tuple[str, tuple[str, ...]]
Opener = tuple[int, str]
"""The number of a change, and who made it."""


@dataclass
class Group:
    """A group and its rules by id."""

    name: str
    vpc_id: str
    rules: dict[str, Rule] = field(default_factory=dict)


@dataclass
class PrefixList:
    """A list: its version, descriptions by CIDR, and those of all versions."""

    version: int
    entries: dict[str, str]
    versions: dict[int, dict[str, str]] = field(default_factory=dict)


@dataclass
class Interface:
    """A network interface: its groups, and whether it has a public address."""

    groups: frozenset[str]
    public: bool = False


@dataclass
class World:
    """Groups, prefix lists and interfaces by id."""

    groups: dict[str, Group] = field(default_factory=dict)
    lists: dict[str, PrefixList] = field(default_factory=dict)
    interfaces: dict[str, Interface] = field(default_factory=dict)

    @property
    def cidrs(self) -> dict[str, list[str]]:
        """Return the ranges of each list."""
        return {list_id: list(found.entries) for list_id, found in self.lists.items()}

    def naming(self, list_id: str) -> list[str]:
        """Return the groups that let in a list."""
        return [name for name, g in self.groups.items() if any(r.peer == list_id and not r.egress for r in g.rules.values())]


@dataclass
class Made:
    """A recorded change that succeeded, and what must be stored of it: rules before by id, lost rules, classes, groups of an edit."""

    name: str
    who: str
    before: dict[str, Rule] = field(default_factory=dict)
    lost: list[Rule] | None = None
    opened: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    restored: str = ""


class Truth:
    """Told of each change as it is made, and of each reading as it ends."""

    def __init__(self) -> None:
        self.actual, self.told, self.shown = World(), World(), World()
        self.made: dict[str, Made] = {}
        self.dark: Counter[str] = Counter()
        self.dark_made = self.past = 0
        self.began = False
        self.openers: dict[str, Opener] = {}
        self.list_openers: dict[tuple[str, str], Opener] = {}
        self.edited: set[str] = set()
        self.changed: set[str] = set()
        self.restored: dict[str, Made] = {}

    def _worlds(self, recorded: bool) -> Iterable[World]:
        return (self.actual, self.told) if recorded else (self.actual,)

    def _opener(self, ask: tuple[str, str, bool]) -> Opener:
        return self.past + self.dark_made + len(self.made), ask[1] if ask[2] else NOBODY

    def _note(self, request_id: str, name: str, who: str, recorded: bool, **known: object) -> Made:
        made = Made(name, who, **known)  # type: ignore[arg-type]
        if recorded:
            self.made[request_id] = made
        else:
            self.dark_made += 1
        return made

    def begin(self) -> None:
        """All that was made up to now is past."""
        self.past += len(self.made)
        self.made.clear()

    # What actors do.

    def create(self, ask: tuple[str, str, bool], name: str, group_id: str, group: Group) -> None:
        """A group came, with the rules that EC2 gives it."""
        self.changed.add(group_id)
        self._note(ask[0], name, ask[1], ask[2])
        for world in self._worlds(ask[2]):
            world.groups[group_id] = deepcopy(group)
        self.openers |= dict.fromkeys(group.rules, self._opener(ask))

    def delete(self, ask: tuple[str, str, bool], name: str, group_id: str) -> None:
        """A group went, with all its rules."""
        self.changed.add(group_id)
        told = self.told.groups.get(group_id)
        self._note(ask[0], name, ask[1], ask[2], lost=list(told.rules.values()) if told is not None else [])
        for world in self._worlds(ask[2]):
            world.groups.pop(group_id, None)

    def write(self, ask: tuple[str, str, bool], name: str, group_id: str, rules: Iterable[Rule]) -> None:
        """Rules came, or say something else now."""
        fresh = {rule.rule_id: rule for rule in rules}
        self.changed.add(group_id)
        known = self.told.groups.get(group_id, Group("", ""))
        before, lists = known.rules, self.told.cidrs
        modified = name == "ModifySecurityGroupRules"
        made = self._note(ask[0], name, ask[1], ask[2], before={i: before[i] for i in fresh if i in before})
        # The record of a modification does not tell the direction, and no record what a list holds.
        seen = [replace(r, egress=False) for r in fresh.values() if r.kind in ("v4", "v6") and (modified or not r.egress)]
        made.opened = newly_open({}, opened(seen, {}))
        made.opened |= newly_open(opened(before.values(), lists), opened((before | fresh).values(), lists))
        for rule in fresh.values():
            was = self.actual.groups[group_id].rules.get(rule.rule_id)
            if was is None or was.place != rule.place:
                self.openers[rule.rule_id] = self._opener(ask)
        for world in self._worlds(ask[2]):
            at = self.actual.groups[group_id]
            world.groups.setdefault(group_id, Group(at.name, at.vpc_id)).rules |= fresh

    def remove(self, ask: tuple[str, str, bool], name: str, group_id: str, rule_ids: Iterable[str]) -> None:
        """Rules went."""
        gone = list(rule_ids)
        self.changed.add(group_id)
        self._note(ask[0], name, ask[1], ask[2])
        for world in self._worlds(ask[2]):
            for rule_id in gone:
                if group_id in world.groups:
                    world.groups[group_id].rules.pop(rule_id, None)

    def describe(self, ask: tuple[str, str, bool], name: str, group_id: str, texts: Mapping[str, str], *, by_id: bool) -> None:
        """Rules are described otherwise; where the call names them by what they let in, that must be known."""
        self.changed.add(group_id)
        known = self.told.groups.get(group_id, Group("", "")).rules
        own = self.actual.groups[group_id].rules
        found = {i: known[i] for i in texts if i in known and (by_id or known[i].place == own[i].place)}
        self._note(ask[0], name, ask[1], ask[2], before=found)
        for world in self._worlds(ask[2]):
            rules = world.groups[group_id].rules if group_id in world.groups else {}
            rules |= {i: replace(rules[i], description=text) for i, text in texts.items() if i in rules}

    def edit(self, ask: tuple[str, str, bool], name: str, list_id: str, entries: Mapping[str, str], gone: Iterable[str] = ()) -> None:
        """Entries of a list came and went; it may be new."""
        self.edited.add(list_id)
        made, gone = self._note(ask[0], name, ask[1], ask[2]), list(gone)
        was = self.told.cidrs
        for world in self._worlds(ask[2]):
            found = world.lists.setdefault(list_id, PrefixList(0, {}))
            found.entries = {cidr: text for cidr, text in found.entries.items() if cidr not in gone} | dict(entries)
        own = self.actual.lists[list_id]
        own.version += 1
        own.versions[own.version] = dict(own.entries)
        self._opened_by_list(made, list_id, was, ask)

    def restore(self, ask: tuple[str, str, bool], name: str, list_id: str, version: int) -> None:
        """A list is what it was in a version; the record does not tell which entries those are."""
        own = self.actual.lists[list_id]
        made, was = self._note(ask[0], name, ask[1], ask[2], restored=list_id), self.told.cidrs
        if ask[2]:
            self.restored[list_id] = made
            self.told.lists[list_id] = replace(self.told.lists[list_id], entries=dict(own.versions[version]))
        own.entries = dict(own.versions[version])
        own.version += 1
        own.versions[own.version] = dict(own.entries)
        self.edited.add(list_id)
        self._opened_by_list(made, list_id, was, ask)

    def forget(self, ask: tuple[str, str, bool], name: str, list_id: str) -> None:
        """A list went."""
        self._note(ask[0], name, ask[1], ask[2])
        for world in self._worlds(ask[2]):
            world.lists.pop(list_id, None)

    def _opened_by_list(self, made: Made, list_id: str, was: Mapping[str, list[str]], ask: tuple[str, str, bool]) -> None:
        now = {**was, list_id: list(self.actual.lists[list_id].entries)} if not ask[2] else self.told.cidrs
        for group_id in self.told.naming(list_id):
            rules = self.told.groups[group_id].rules.values()
            found = newly_open(opened(rules, was), opened(rules, now))
            if found:
                made.opened |= found
                made.groups.add(group_id)
                self.list_openers[group_id, list_id] = self._opener(ask)

    # Readings.

    def read(self, parts: Iterable[str]) -> None:
        """A reading brought these parts whole: what differs from what was told was done in the dark."""
        if "groups" in parts:
            if not self.began:
                # Event history tells of them, but nothing of what was done in the dark before anybody looked.
                self.openers = {rule_id: (number, who) for rule_id, (number, who) in self.openers.items() if who != NOBODY}
            else:
                self._compare_groups()
            self.shown.groups, self.told.groups = deepcopy(self.actual.groups), deepcopy(self.actual.groups)
            self.changed.clear()
        if "prefix_lists" in parts:
            if self.began:
                self._compare_lists()
            self.shown.lists, self.told.lists = deepcopy(self.actual.lists), deepcopy(self.actual.lists)
            self.edited.clear()
            self.restored.clear()
        if "interfaces" in parts:
            self.shown.interfaces = deepcopy(self.actual.interfaces)
        self.began |= "groups" in parts

    def _compare_groups(self) -> None:
        for group_id in self.shown.groups.keys() | self.actual.groups.keys():
            old, told, new = (world.groups.get(group_id) for world in (self.shown, self.told, self.actual))
            # Nobody can delete a default group: it goes with its VPC, whose deletion names no group.
            if new is None and old is not None and old.name == "default":
                continue
            was, said, now = (found.rules if found is not None else {} for found in (old, told, new))
            for rule_id in was.keys() | now.keys():
                if was.get(rule_id) != now.get(rule_id) and said.get(rule_id) != now.get(rule_id):
                    self.dark[rule_id] += 1

    def _compare_lists(self) -> None:
        for list_id in self.shown.lists.keys() & self.actual.lists.keys() - self.restored.keys():
            was, said, now = (world.lists[list_id].entries for world in (self.shown, self.told, self.actual))
            for cidr in was.keys() | now.keys():
                if was.get(cidr) != now.get(cidr) and said.get(cidr) != now.get(cidr):
                    self.dark[f"{list_id} {cidr}"] += 1

    # What must be shown.

    def gauges(self, account_id: str, region: str) -> Counter[Gauge]:
        """Return the series of the checks, by family and the other labels, as the last whole readings have it."""
        out: Counter[Gauge] = Counter()
        groups, cidrs = self.shown.groups, self.shown.cidrs
        used = {name for interface in self.shown.interfaces.values() for name in interface.groups}
        named = {r.peer for name, g in groups.items() for r in g.rules.values() if r.kind == "group" and r.peer != name}
        for group_id, group in groups.items():
            out["awschange_security_group_info", (group_id, group.name, group.vpc_id)] = 1
            if group.name == "default" and group.rules:
                out["awschange_default_security_group_rules", (group.vpc_id, group_id)] = len(group.rules)
            series: dict[tuple[str, ...], set[str]] = {}
            for (rule_id, version), found in open_rules(group.rules.values(), cidrs).items():
                for traffic in found:
                    for port_class in classes(traffic):
                        labels = group.vpc_id, group_id, traffic[0], port_class, str(version), self.exposure(group_id, version)
                        series.setdefault(labels, set()).add(rule_id)
            out.update({("awschange_open_ingress_rules", labels): len(ids) for labels, ids in series.items()})
        out["awschange_security_groups", ()] = len(groups)
        out["awschange_security_group_rules", ()] = sum(len(group.rules) for group in groups.values())
        unused = [name for name, group in groups.items() if group.name != "default" and name not in used | named]
        out["awschange_unused_security_groups", ()] = len(unused)
        return out

    def exposure(self, group_id: str, version: int) -> str:
        """Return what a group is attached to; no interface here has an address of IPv6."""
        having = [interface for interface in self.shown.interfaces.values() if group_id in interface.groups]
        if not having:
            return "unattached"
        return "public" if version == 4 and any(interface.public for interface in having) else "attached"

    def open(self) -> set[tuple[str, str, int, str, str, str | None]]:
        """Return what stands open: group, rule, IP version, port class, exposure, and who opened it."""
        out = set()
        for group_id, group in self.shown.groups.items():
            for (rule_id, version), found in open_rules(group.rules.values(), self.shown.cidrs).items():
                rule = group.rules[rule_id]
                known = [self.list_openers.get((group_id, rule.peer)), self.openers.get(rule_id)]
                by = max((opener for opener in known if opener is not None), default=(0, None))[1]
                for port_class in {name for traffic in found for name in classes(traffic)}:
                    out.add((group_id, rule_id, version, port_class, self.exposure(group_id, version), by))
        return out

    def opened(self) -> Counter[str]:
        """Return how often each port class was opened."""
        return Counter(name for made in self.made.values() for name in made.opened)
