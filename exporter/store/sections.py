"""The index of a run of events as bytes: which of them have which number, and which of them which rule id.

Every number (of a unit, a call, a string) has a list of the places of its events in the run. A list is packed as it is, or as a bitmap of
the run where that is smaller. The numbers stand apart from the lists: most searches find that a number is not there, and read no more.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from exporter.store.numbers import Numbers

UNIT, CALL, OUTCOME, WHO, TOUCHED, TEXT = range(6)
"""The kinds of numbers. WHO: the strings of a principal's name, session and ARN; TOUCHED: those of groups and resources; TEXT: those of
all else that a word may stand in and that is told by none of the others."""

SECTIONS = 6
RUN = 16_384
"""Places in a run."""

_BITMAP = RUN // 8 + 1  # one more than needed: no list of two bytes each has an odd length
_PLACE, _NUMBER = "H", "I"
_ID_BYTES = 8
_ZEROS, _ONE = b"0" * RUN, ord("1")
_SWAP = sys.byteorder == "big"


@dataclass(frozen=True, slots=True)
class Packed:
    """One row of the index. `heads`: how many numbers each section has, and all of them in order; `tails`: where the list of each ends,
    and the lists; `rules`: the digits of rule ids, 8 bytes each, and their places."""

    heads: bytes
    rules: bytes
    tails: bytes


@dataclass(slots=True)
class Gathered:
    """What is to be packed: for each section the places of each number, and (place, digits) of rule ids."""

    sections: tuple[dict[int, list[int]], ...] = field(default_factory=lambda: tuple({} for _ in range(SECTIONS)))
    rules: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, place: int, section: int, numbers: Iterable[int]) -> None:
        """Enter that the event at a place has these numbers, each given once; 0 stands for none."""
        known = self.sections[section]
        for number in numbers:
            if number:
                places = known.get(number)
                if places is None:
                    known[number] = [place]
                else:
                    places.append(place)

    def merge(self, packed: Packed) -> None:
        """Enter all that a row has."""
        head, tails = Head(packed.heads), Tails(packed.tails)
        for section, known in enumerate(self.sections):
            for at in range(head.starts[section], head.starts[section + 1]):
                known.setdefault(head.numbers[at], []).extend(tails.places(at))
        self.rules += zip(rule_places(packed.rules), rule_digits(packed.rules), strict=True)

    def pack(self) -> Packed:
        """Return it as bytes."""
        numbers, lists = [], []
        for known in self.sections:
            for number in sorted(known):
                numbers.append(number)
                lists.append(_pack_places(known[number]))
        heads = _pack(_NUMBER, [*map(len, self.sections), *numbers])
        tails = _pack(_NUMBER, [len(lists), *accumulate(map(len, lists))]) + b"".join(lists)
        rules = dict.fromkeys(self.rules)
        return Packed(heads, b"".join(digits for _, digits in rules) + _pack(_PLACE, [place for place, _ in rules]), tails)


class Head:
    """The numbers of a row."""

    def __init__(self, heads: bytes) -> None:
        unpacked = _unpack(_NUMBER, heads)
        self.starts: Sequence[int] = [0, *accumulate(unpacked[:SECTIONS])]
        self.numbers = unpacked[SECTIONS:]

    def find(self, section: int, wanted: Numbers) -> list[int]:
        """Return where the wanted numbers stand that a section has."""
        begin, end = self.starts[section], self.starts[section + 1]
        if wanted.few is None:
            return list(wanted.positions(self.numbers, begin, end))
        found = []
        for number in wanted.few:
            at = bisect_left(self.numbers, number, begin, end)
            if at < end and self.numbers[at] == number:
                found.append(at)
        return found


class Tails:
    """The places of a row's numbers."""

    def __init__(self, tails: bytes) -> None:
        count = int.from_bytes(tails[:4], "little")
        self._ends = _unpack(_NUMBER, tails[: 4 * (count + 1)])
        self._ends[0] = 0
        self._lists = tails[4 * (count + 1) :]

    def mask(self, found: Iterable[int]) -> int:
        """Return the bits of all places that have one of the numbers at these positions."""
        bits, listed = 0, bytearray()
        for at in found:
            packed = self._lists[self._ends[at] : self._ends[at + 1]]
            if len(packed) == _BITMAP:
                bits |= int.from_bytes(packed, "little")
            else:
                listed += packed
        return bits | mask_of(_unpack(_PLACE, listed))

    def places(self, at: int) -> Sequence[int]:
        """Return the places that have the number at a position."""
        packed = self._lists[self._ends[at] : self._ends[at + 1]]
        return places_of(int.from_bytes(packed, "little")) if len(packed) == _BITMAP else _unpack(_PLACE, packed)


def mask_of(places: Iterable[int]) -> int:
    """Return the bits of places."""
    digits = bytearray(_ZEROS)
    for place in places:
        digits[~place] = _ONE
    return int(digits, 2)


def places_of(mask: int) -> list[int]:
    """Return the places whose bits are set, in order."""
    digits = f"{mask:b}"[::-1]
    found, at = [], digits.find("1")
    while at >= 0:
        found.append(at)
        at = digits.find("1", at + 1)
    return found


def rule_digits(rules: bytes) -> list[bytes]:
    """Return the digits of each rule id of a row."""
    return [rules[at : at + _ID_BYTES] for at in range(0, _ids_end(rules), _ID_BYTES)]


def rule_places(rules: bytes) -> Sequence[int]:
    """Return the place of each rule id of a row."""
    return _unpack(_PLACE, rules[_ids_end(rules) :])


def all_rule_digits(rules: bytes) -> bytes:
    """Return the digits of all rule ids of a row in one, 8 bytes each."""
    return rules[: _ids_end(rules)]


def _ids_end(rules: bytes) -> int:
    return len(rules) // (_ID_BYTES + 2) * _ID_BYTES


def _pack_places(places: Sequence[int]) -> bytes:
    if 2 * len(places) < _BITMAP:
        return _pack(_PLACE, places)
    return mask_of(places).to_bytes(_BITMAP, "little")


def _pack(code: str, values: Iterable[int]) -> bytes:
    packed = array(code, values)
    if _SWAP:
        packed.byteswap()
    return packed.tobytes()


def _unpack(code: str, data: bytes | bytearray) -> array[int]:
    unpacked: array[int] = array(code)
    unpacked.frombytes(data)
    if _SWAP:
        unpacked.byteswap()
    return unpacked
