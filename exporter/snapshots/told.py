"""What a person was told already: what a region does not know is said once, not with every reading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from exporter.aws import Operation
from exporter.errors import AwsError, SourceError
from exporter.snapshots.asking import Asker, Item

_UNKNOWN = frozenset({"InvalidAction", "NotImplemented", "UnknownOperationException", "UnsupportedOperation", "HTTP501"})
"""Codes of a service that has no such call in a region, or behind an address that only stands in for it (EC2 and ELB, common errors)."""


def is_unknown(error: SourceError) -> bool:
    """Tell whether a call failed because there is no such call where it was made."""
    return isinstance(error, AwsError) and error.code in _UNKNOWN


@dataclass(slots=True)
class Told:
    """Remembers what was said of one account and region."""

    _said: set[str] = field(default_factory=set)

    def known(self, asker: Asker, operation: Operation, items: Iterable[Item]) -> Sequence[Item]:
        """Return all items; none, said once, where the region does not know the call. Raises SourceError."""
        try:
            return tuple(items)
        except AwsError as error:
            if not is_unknown(error):
                raise
            self.once(asker, f"a call is not known here; what it tells is taken for nothing: {error}", operation.action)
            return ()

    def once(self, asker: Asker, what: str, about: str) -> None:
        """Say something to a person, the first time."""
        if about not in self._said:
            self._said.add(about)
            asker.context.log.info(what, account_id=asker.caller.account_id, region=asker.caller.region, operation=about)
