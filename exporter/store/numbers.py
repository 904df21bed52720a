"""A set of numbers of strings or rows, small however many they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress

FEW = 200
"""Up to so many numbers are looked up one by one; of more, each number of a row of the index is looked at."""


class Numbers:
    """The numbers that a search looks for: `few` of them in a list, or else a byte for each number that there is."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self.few: list[int] | None = []
        self._flags = bytearray()
        self.add(list(numbers))

    def add(self, numbers: Sequence[int]) -> None:
        """Look for further numbers, none of which is there yet."""
        if self.few is not None and len(self.few) + len(numbers) <= FEW:
            self.few += numbers
        elif numbers:
            self._spread(max(numbers))
            for number in numbers:
                self._flags[number] = 1

    def mark(self, first: int, flags: bytes) -> None:
        """Look for those of the numbers from the first on, none of which was asked about before, whose byte is 1."""
        self._spread(first + len(flags) - 1)
        self._flags[first : first + len(flags)] = flags

    def all(self) -> Iterable[int]:
        """Return all numbers that are looked for."""
        return self.few if self.few is not None else compress(range(len(self._flags)), self._flags)

    def positions(self, numbers: Sequence[int], begin: int, end: int) -> Iterable[int]:
        """Return at which positions from begin to end these numbers, which must be in order there, are looked for."""
        if begin == end:
            return ()
        self._spread(numbers[end - 1])
        return compress(range(begin, end), map(self._flags.__getitem__, numbers[begin:end]))

    def __contains__(self, number: int) -> bool:
        return number in self.few if self.few is not None else number < len(self._flags) and self._flags[number] == 1

    def __bool__(self) -> bool:
        return self.few is None or bool(self.few)

    def _spread(self, last: int) -> None:
        """Have a byte for each number up to the last."""
        if last >= len(self._flags):
            self._flags.extend(bytes(last + 1 - len(self._flags)))
        for number in self.few or ():
            if number >= len(self._flags):
                self._flags.extend(bytes(number + 1 - len(self._flags)))
            self._flags[number] = 1
        self.few = None
