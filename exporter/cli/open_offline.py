"""`open --file`: judges a saved answer, without AWS and without a store."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from exporter.config import Config
from exporter.errors import SourceError
from exporter.history.open_rows import OpenRow, open_row
from exporter.posture.standing import PrefixList, Standing
from exporter.snapshots.answer_walk import entries_command
from exporter.snapshots.answers import Answers, merged_lists, read_answers
from exporter.text import visible

_LIST_ID = re.compile(r"pl-[0-9a-zA-Z]{1,32}")
_SHOWN = 20


@dataclass(slots=True)
class Verdict:
    """What stands open in a file. `problems` are what could not be judged, `notes` what a person should know."""

    rows: list[OpenRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge_file(config: Config, path: Path, list_paths: Sequence[Path], now: datetime) -> Verdict:
    """Return what stands open in the answer of a file, `-` for standard input, with prefix lists of further files.

    Raises SourceError where a file cannot be read, or holds nothing known.
    """
    verdict = Verdict()
    with _uncollected():
        answers = _read(path, verdict)
        lists = [*(answers.prefix_lists or {}).values()]
        for list_path in list_paths:
            lists += _lists_of(list_path, verdict)
        _judge(config, answers, merged_lists(lists), now, f"{_name(path)}: ", verdict)
    if not answers.sightings:
        verdict.notes.append(f"{_name(path)}: holds no security group")
    return verdict


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the search for cycles: an answer is millions of values without any, and going through them again and again is half the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _judge(config: Config, answers: Answers, lists: dict[str, PrefixList], now: datetime, where: str, verdict: Verdict) -> None:
    judge = config.judge()
    rows: dict[OpenRow, None] = {}
    unknown: dict[str, str] = {}
    for (account_id, region), sightings in groupby(answers.sightings, key=lambda sighting: (sighting.account_id, sighting.region)):
        standing = Standing(account_id, region, groups=tuple(sighting.group for sighting in sightings), prefix_lists=lists)
        rows |= dict.fromkeys(open_row(found, account_id, region) for found in judge.open_rules(standing, now))
        for list_id in judge.unknown_lists(standing):
            unknown.setdefault(list_id, region)
        verdict.problems += (
            f"{where}{group_id}: a rule from {peer} is not judged: that is no range of addresses, or a list with one that is none"
            for group_id, peer in judge.unreadable_peers(standing)
        )
    verdict.rows += rows
    verdict.notes += _unknown_lists(unknown)


def _unknown_lists(unknown: dict[str, str]) -> Iterator[str]:
    """Yield what to do about each prefix list that rules name and no file tells."""
    for list_id, region in list(unknown.items())[:_SHOWN]:
        # The id comes from the file: only what EC2 could have given out stands in a line that a person may paste into a shell.
        command = f"; {entries_command(list_id, region)} > FILE gets them for --prefix-lists FILE" if _LIST_ID.fullmatch(list_id) else ""
        yield f"prefix list {list_id} is not known, so what its rules open is not told{command}"
    if len(unknown) > _SHOWN:
        yield f"{len(unknown) - _SHOWN} more prefix lists are not known"


def _lists_of(path: Path, verdict: Verdict) -> list[PrefixList]:
    answers = _read(path, verdict)
    if not answers.prefix_lists and not answers.problems:
        raise SourceError("unreadable", f"{_name(path)}: holds no prefix list with entries")
    return list((answers.prefix_lists or {}).values())


def _read(path: Path, verdict: Verdict) -> Answers:
    name = _name(path)
    try:
        with _opened(path) as file:
            answers = read_answers(file, name)
    except FileNotFoundError:
        raise SourceError("not_found", f"{name}: no such file") from None
    except PermissionError:
        raise SourceError("access_denied", f"{name}: permission denied") from None
    except OSError as error:
        raise SourceError("unreadable", f"{name}: cannot be read: {error.strerror or error}") from error
    verdict.problems += (f"{name}: {problem}" for problem in answers.problems)
    verdict.notes += (f"{name}: {note}" for note in answers.notes)
    return answers


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    with path.open("rb") as file:
        yield file


def _name(path: Path) -> str:
    return "standard input" if str(path) == "-" else visible(str(path), 300)
