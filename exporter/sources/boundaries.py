"""Where a JSON value ends, found without understanding it: strings are respected, so text inside cannot forge an end.

This is the exact but slower path for what the JSON decoders refuse: it needs no recursion, so nesting of
any depth is stepped over, and one broken record does not hide its neighbours.
"""

from __future__ import annotations

import re

CUT = -1
BROKEN = -2

# From here to the next bracket: strings and what stands between them are swallowed. `"` at the end is a string that
# does not end in its line, as every JSON string must.
_TO_BRACKET = re.compile(rb'[^"\[\]{}]*+(?:"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"[^"\[\]{}]*+)*+(?:([\[{]++)|([\]}]++)|(")|\Z)')
_STRING = re.compile(rb'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"')
_SCALAR = re.compile(rb'[^\s,"\[\]{}]++')
_LOOK_BACK = 64


def value_end(data: bytes, pos: int, depth: int = 0) -> int:
    """Return where the value that begins at `pos` ends, or CUT where the data ends first.

    With `depth` the search begins inside that many open brackets. BROKEN is returned where no JSON text can go
    on like this: a string does not end in its line, or a new line begins an object that nothing announced. Then
    the value was cut at the end of a line, and another document follows.
    """
    if depth == 0 and data[pos : pos + 1] not in (b"{", b"["):
        match = (_STRING if data[pos : pos + 1] == b'"' else _SCALAR).match(data, pos)
        return match.end() if match and match.end() < len(data) else CUT
    for match in _TO_BRACKET.finditer(data, pos):
        kind = match.lastindex
        if kind == 1:
            opener = match.start(1)
            if opener > pos and data[opener - 1] == 0x0A and data[opener] == 0x7B and _cannot_go_on(data, pos, opener):
                return BROKEN
            depth += match.end() - opener
        elif kind == 2:
            if match.end() - match.start(2) >= depth:
                return match.start(2) + depth
            depth -= match.end() - match.start(2)
        elif kind == 3:
            return BROKEN if data.find(b"\n", match.start(3)) >= 0 else CUT
        else:
            return CUT
    return CUT


def _cannot_go_on(data: bytes, pos: int, opener: int) -> bool:
    before = data[max(pos, opener - _LOOK_BACK) : opener].rstrip()
    return bool(before) and before[-1] not in b"[,:"


def nested_deeper(data: bytes, limit: int) -> bool:
    """Tell whether brackets nest deeper than `limit`; cheap where there are few brackets."""
    if data.count(b"{") + data.count(b"[") <= limit:
        return False
    depth = 0
    for match in _TO_BRACKET.finditer(data):
        if match.lastindex == 1:
            depth += match.end() - match.start(1)
            if depth > limit:
                return True
        elif match.lastindex == 2:
            depth -= match.end() - match.start(2)
    return False
