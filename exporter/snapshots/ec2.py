"""Reads what stands in one account and region from EC2 and Elastic Load Balancing, as it is now and with the ids of rules.

Parts fail apart. A part is whole or it is None with the reason beside it: no page that is missing ever makes it smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

from exporter.aws import Caller
from exporter.errors import AwsError, SourceError
from exporter.posture.settings import NAME, PostureSettings
from exporter.posture.standing import Attachment, Origin, Part, PartFailure, Reading, RecorderLight, TrailLight
from exporter.snapshots.asking import INTERFACES, Asker, Item, Stopping, Wait, wait
from exporter.snapshots.balanced import Targets, read_targets
from exporter.snapshots.base import ReadContext
from exporter.snapshots.ec2_groups import named_lists, read_groups
from exporter.snapshots.ec2_shapes import interface_of
from exporter.snapshots.prefix_lists import PrefixLists
from exporter.snapshots.shapes import Interface, attachments_of
from exporter.snapshots.told import Told
from exporter.text import visible

Lights: TypeAlias = Callable[
    [Caller, ReadContext],
    tuple[tuple[TrailLight, ...] | None, tuple[RecorderLight, ...] | None, Sequence[PartFailure]],
]
"""Reads the parts TRAILS and RECORDER: each whole or None, and what failed."""

T = TypeVar("T")


def no_lights(
    _caller: Caller, _context: ReadContext
) -> tuple[tuple[TrailLight, ...] | None, tuple[RecorderLight, ...] | None, Sequence[PartFailure]]:
    """Ask for no lights: both parts are None, and nothing failed."""
    return None, None, ()


class Ec2Reader:
    """Reads what stands in the account and region of a caller; see Reader. `lights` reads the parts that are not EC2's.

    It remembers entries of prefix lists by version, and what rules named when they were last read.
    """

    def __init__(self, caller: Caller, settings: PostureSettings, *, lights: Lights = no_lights, wait: Wait = wait) -> None:
        self.name, self.account_id, self.region = NAME, caller.account_id, caller.region
        self._caller, self._settings, self._lights, self._wait = caller, settings, lights, wait
        self._prefix_lists = PrefixLists()
        self._named: frozenset[str] | None = None
        self._told = Told()

    def read(self, context: ReadContext) -> Iterator[Reading]:
        """Yield one reading; none where all is to end meanwhile. A part that fails is a failure in it."""
        try:
            reading = self._read(context)
        except Stopping:
            return
        yield reading

    def _read(self, context: ReadContext) -> Reading:
        started_at = context.now()
        asker = Asker(self._caller, context, self._wait)
        failures: list[PartFailure] = []

        def part(which: Part, read: Callable[[], T]) -> T | None:
            try:
                return read()
            except SourceError as error:
                failures.append(PartFailure(which, self._named_error(error)))
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                # The boundary of one part: an answer that nobody foresaw must not hide the others.
                context.log.exception("an answer could not be read", account_id=self.account_id, region=self.region, part=which.value)
                failures.append(PartFailure(which, self._named_error(SourceError("internal", f"{type(error).__name__}: {error}"))))
            return None

        groups = part(Part.GROUPS, lambda: read_groups(asker, self._told))
        if groups is not None:
            self._named = named_lists(groups)
        # Where rules were never read, nobody knows which lists are wanted, and they are not asked for.
        named = self._named
        prefix_lists = part(Part.PREFIX_LISTS, lambda: self._prefix_lists.read(asker, named)) if named is not None else None
        # Load balancers first: the interface of a target that is told is there when interfaces are asked for.
        targets = part(Part.LOAD_BALANCERS, lambda: read_targets(asker, self._told)) if self._settings.load_balancers else Targets()
        attached = part(Part.INTERFACES, lambda: self._attached(asker, targets))
        if attached is None and targets is not None and self._settings.load_balancers:
            error = next(failure.error for failure in failures if failure.part is Part.INTERFACES)
            failures.append(PartFailure(Part.LOAD_BALANCERS, SourceError(error.reason, f"the groups of targets are not known: {error}")))
            targets = None
        attachments, reached = attached if attached is not None else (None, frozenset())
        balanced = reached | targets.groups if targets is not None else None
        trails, recorder, unlit = self._lights(self._caller, context)
        if (failures or unlit) and context.stopping():
            raise Stopping
        return Reading(
            self.account_id,
            self.region,
            Origin.EC2,
            started_at,
            context.now(),
            groups=groups,
            prefix_lists=prefix_lists,
            attachments=attachments,
            balanced=balanced,
            trails=trails,
            recorder=recorder,
            failures=(*failures, *unlit),
        )

    def _attached(self, asker: Asker, targets: Targets | None) -> tuple[Mapping[str, Attachment], frozenset[str]]:
        """Return what groups are attached to, and the groups of interfaces that targets' packets come to."""
        balanced: set[str] = set()

        def interfaces() -> Iterator[Interface]:
            seen: set[str] = set()
            for item in self._interfaces(asker):
                interface = interface_of(item)
                if interface.interface_id in seen:
                    continue
                seen.add(interface.interface_id)
                if targets is not None and targets.reach(item):
                    balanced.update(interface.groups)
                yield interface

        attachments = attachments_of(interfaces())
        return attachments, frozenset(balanced)

    def _interfaces(self, asker: Asker) -> Iterator[Item]:
        """Yield all interfaces, also those that AWS manages where an account hides these."""
        try:
            yield from asker.all(INTERFACES, IncludeManagedResources=True)
        except AwsError as error:
            # Neither every region nor every botocore has the parameter; without it nothing can be hidden.
            if error.code != "UnknownParameter" and (error.code or error.reason != "internal"):
                raise
            yield from asker.all(INTERFACES)

    def _named_error(self, error: SourceError) -> SourceError:
        """Return an error that says where; those of calls do."""
        if isinstance(error, AwsError):
            return error
        where = f"account {self.account_id} {self.region}" if self.account_id else self.region
        return SourceError(error.reason, f"{visible(str(error), 800)} (EC2 in {where}); please report it if it stays")
