"""Rule ids: nearly every one is of one event alone, so that they are packed with the events instead of being numbered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.store.sections import all_rule_digits, mask_of, rule_places

_USUAL = re.compile(r"sgr-0[0-9a-f]{16}", re.ASCII)
_BEFORE = "sgr-0"
_DIGITS = re.compile(r"[0-9a-f]{1,16}", re.ASCII)
_ENOUGH = 6


def digits_of(rule_id: str) -> bytes | None:
    """Return the 8 bytes that tell a rule id of the usual form, None for any other."""
    return bytes.fromhex(rule_id[len(_BEFORE) :]) if _USUAL.fullmatch(rule_id) else None


@dataclass(frozen=True, slots=True)
class Needle:
    """A word that rule ids of the usual form may hold: `everywhere` in each of them, `within` the 16 digits, or `beginning` them."""

    everywhere: bool
    within: str
    beginning: tuple[str, ...]

    def mask(self, rules: bytes) -> int:
        """Return the bits of the places whose rule ids hold the word; `rules` as in sections.Packed."""
        if self.everywhere:
            return mask_of(rule_places(rules))
        digits = all_rule_digits(rules)
        if not digits or not self._likely(digits):
            return 0
        places = rule_places(rules)
        return mask_of(places[at] for at in self._holding(digits))

    def _likely(self, digits: bytes) -> bool:
        """Tell by the bytes, which takes a tenth of the time, whether the word may be there."""
        for text in (self.within, *self.beginning):
            if text and len(text) < _ENOUGH:
                return True
            if text and (bytes.fromhex(text[: len(text) & ~1]) in digits):
                return True
        inner = self.within[1:]
        return bool(inner) and bytes.fromhex(inner[: len(inner) & ~1]) in digits

    def _holding(self, digits: bytes) -> Iterator[int]:
        spelled = "-" + digits.hex("-", 8)
        for needle in (self.within, *(f"-{text}" for text in self.beginning)):
            at = spelled.find(needle) if needle else -1
            while at >= 0:
                number = at // 17
                yield number
                at = spelled.find(needle, number * 17 + 17)


def needle_of(word: str) -> Needle | None:
    """Return what to look for, None where no rule id of the usual form holds the word, which must be in lower case."""
    everywhere = word in _BEFORE
    within = word if _DIGITS.fullmatch(word) else ""
    ends = [_BEFORE[at:] for at in range(len(_BEFORE))]
    beginning = tuple(word[len(end) :] for end in ends if word.startswith(end) and _DIGITS.fullmatch(word[len(end) :]))
    return Needle(everywhere, within, beginning) if everywhere or within or beginning else None
