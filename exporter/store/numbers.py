"""A set of numbers of strings or rows, small however many they are."""

from __future__ import annotations

from collections.abc import Iterable

FEW = 200
"""Up to so many numbers are looked up one by one; of more, each number of a row of the index is looked at."""


class Numbers:
    """The numbers that a search looks for: `few` of them, or a byte for each number that there is."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self.few: list[int] | None = []
        self._flags = bytearray()
        self.add(numbers)

    def add(self, numbers: Iterable[int]) -> None:
        """Look for further numbers, none of which is there yet."""
        numbers = list(numbers)
        if self.few is not None and len(self.few) + len(numbers) <= FEW:
            self.few += numbers
            return
        for number in (*(self.few or ()), *numbers):
            if number >= len(self._flags):
                self._flags.extend(bytes(number + 1 - len(self._flags)))
            self._flags[number] = 1
        self.few = None

    def unite(self, other: Numbers) -> None:
        """Look for what another looks for as well."""
        numbers = other.few if other.few is not None else [number for number, flag in enumerate(other._flags) if flag]
        self.add(number for number in numbers if number not in self)

    def __contains__(self, number: int) -> bool:
        return number in self.few if self.few is not None else number < len(self._flags) and self._flags[number] == 1

    def __bool__(self) -> bool:
        return self.few is None or bool(self.few)
