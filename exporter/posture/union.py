"""Which ports the union of networks opens to the internet: pure set calculus over (protocol, ports, network) rows.

"The internet" is a property of the union of networks, not of one text: 0.0.0.0/1 with 128.0.0.0/1, 2000::/3 or ::/1 are as open as
0.0.0.0/0. A port is open where the union of the networks that may reach it holds an unbroken interval of public addresses wider than
an IPv4 /8, or than an IPv6 /32 (both configurable): nobody owns that much, so it cannot be a list of one's own addresses. It is open
too where that union holds every public address, however broken they are.

Method: a row's ports are a bit mask (see traffic.Axis). CIDR blocks nest or are disjoint, so one walk over the sorted blocks gives each
address segment the mask of ports that reach it; a window slides over the segments and keeps, by two stacks, the AND of the shortest
stretch that is wide enough. Time is linear in rows but for the sorting and the length of the masks, whatever rows an attacker writes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

from exporter.posture.internet import INTERNETS, Internet
from exporter.posture.traffic import Axis, Opened, Row

Segment = tuple[int, int, int]
"""First address, the one after the last, and the mask of the ports that all of them reach."""


def opened_ports(rows: Iterable[Row], internets: Mapping[int, Internet] = INTERNETS) -> list[Opened]:
    """Return what the rows together open to the internet, sorted by IP version, protocol and port.

    Rows with protocol `all` count for every protocol. Where all protocols are open, one row says so and
    stands for the rest of that IP version.
    """
    by_version: dict[int, list[Row]] = {}
    for row in rows:
        by_version.setdefault(row.network.version, []).append(row)
    out: list[Opened] = []
    for version, internet in internets.items():
        found = by_version.get(version, [])
        if _may_open(found, internet):
            axis = Axis(found)
            mask = 0
            for wide in _wide(list(_clipped(_segments(_blocks(found, axis)), internet.public)), internet):
                mask |= wide
            out += axis.opened(version, mask)
    return out


def shares(rows: Sequence[Row], internet: Internet) -> tuple[Axis, list[int]]:
    """Return, for rows of one IP version, what each takes part in opening, as masks of the axis.

    A row takes part where its network lies in an open stretch, wholly or in part, and in no larger network that reaches the same
    port: a host beside the internet opens nothing.
    """
    axis = Axis(rows)
    if not _may_open(rows, internet):
        return axis, [0] * len(rows)
    blocks = _blocks(rows, axis)
    segments = list(_clipped(_segments(blocks), internet.public))
    marks = _spread(segments, _wide(segments, internet))
    if not any(marks):
        return axis, [0] * len(rows)
    starts = [start for start, _, _ in segments]
    outer = _outer(blocks)
    touched: dict[tuple[int, int], int] = {}
    for start, negative_end in blocks:
        mask = 0
        for index in range(bisect_left(starts, start), bisect_left(starts, -negative_end)):
            mask |= marks[index]
        touched[start, negative_end] = mask & ~outer[start, negative_end]
    return axis, [own & touched[row.network.start, -row.network.end] for row, own in zip(rows, axis.masks, strict=True)]


def _may_open(rows: Iterable[Row], internet: Internet) -> bool:
    """Networks that have no more addresses than that in all cannot open anything: most rules, answered at once."""
    return sum(row.network.end - row.network.start for row in rows) > internet.least


def _blocks(rows: Sequence[Row], axis: Axis) -> dict[tuple[int, int], int]:
    """Return the mask of each block; keys are (start, -end), so that sorting puts an enclosing block before those inside it."""
    blocks: dict[tuple[int, int], int] = {}
    for row, mask in zip(rows, axis.masks, strict=True):
        block = row.network.start, -row.network.end
        blocks[block] = blocks.get(block, 0) | mask
    return blocks


def _outer(blocks: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    """Return for each block the mask of those that enclose it."""
    stack: list[tuple[int, int]] = []
    out: dict[tuple[int, int], int] = {}
    for (start, negative_end), own in sorted(blocks.items()):
        while stack and stack[-1][0] <= start:
            stack.pop()
        enclosing = stack[-1][1] if stack else 0
        out[start, negative_end] = enclosing
        stack.append((-negative_end, own | enclosing))
    return out


def _segments(blocks: Mapping[tuple[int, int], int]) -> Iterator[Segment]:
    """Yield every address segment that some block covers, in order."""
    stack: list[tuple[int, int]] = []
    position = 0
    for (start, negative_end), own in sorted(blocks.items()):
        mask = own
        while stack and stack[-1][0] <= start:
            end, outer = stack.pop()
            if position < end:
                yield position, end, outer
                position = end
        if stack:
            if position < start:
                yield position, start, stack[-1][1]
            mask |= stack[-1][1]
        position = start
        stack.append((-negative_end, mask))
    while stack:
        end, outer = stack.pop()
        if position < end:
            yield position, end, outer
            position = end


def _clipped(segments: Iterable[Segment], public: Sequence[tuple[int, int]]) -> Iterator[Segment]:
    """Yield the parts of the segments that lie in the public intervals; both are in order."""
    index = 0
    for start, end, mask in segments:
        while index < len(public) and public[index][1] <= start:
            index += 1
        at = index
        while at < len(public) and public[at][0] < end:
            yield max(start, public[at][0]), min(end, public[at][1]), mask
            at += 1


def _wide(segments: Sequence[Segment], internet: Internet) -> list[int]:
    """Return for each segment the mask of ports that reach a wide enough stretch which ends with it, or every public address.

    A queue of two stacks keeps the AND of the window: `back` takes segments in, `front` holds running ANDs.
    """
    everywhere = 0
    if segments and sum(end - start for start, end, _ in segments) == internet.size:
        everywhere = -1
        for _, _, mask in segments:
            everywhere &= mask
    out: list[int] = []
    front: list[tuple[int, int]] = []
    back: list[tuple[int, int]] = []
    back_mask = -1
    length = 0
    previous_end: int | None = None
    for start, end, mask in segments:
        if start != previous_end:
            front, back, back_mask, length = [], [], -1, 0
        previous_end = end
        back.append((end - start, mask))
        back_mask &= mask
        length += end - start
        while length > internet.wide:
            if not front:
                running = -1
                while back:
                    size, own = back.pop()
                    running &= own
                    front.append((size, running))
                back_mask = -1
            if length - front[-1][0] <= internet.wide:
                break
            length -= front.pop()[0]
        out.append(everywhere | (front[-1][1] & back_mask if length > internet.wide else 0))
    return out


def _spread(segments: Sequence[Segment], marks: Sequence[int]) -> list[int]:
    """Return for each segment the mask of ports for which it lies in a wide stretch anywhere, not only at its end."""
    out = list(marks)
    for index in range(1, len(out)):
        if segments[index][0] == segments[index - 1][1]:
            out[index] |= out[index - 1] & segments[index][2]
    for index in range(len(out) - 2, -1, -1):
        if segments[index][1] == segments[index + 1][0]:
            out[index] |= out[index + 1] & segments[index][2]
    return out
