"""What a release needs of the repository: the version in its one place, and the section of the changelog that tells about it.

`prepare VERSION` writes both, `check TAG` says whether a tag is the release of what stands here, `notes` prints what it brings.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION_FILE = "exporter/__init__.py"
CHANGELOG = "CHANGELOG.md"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?")
_LINE = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)
_HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<day>\S+))?$", re.MULTILINE)
UNRELEASED = "Unreleased"


class ReleaseError(Exception):
    """The repository is not what a release needs; the text says what to do."""


def version_of(root: Path) -> str:
    """Return the version that the package has."""
    found = _LINE.findall((root / VERSION_FILE).read_text(encoding="utf-8"))
    if len(found) != 1 or _VERSION.fullmatch(found[0]) is None:
        raise ReleaseError(f'{VERSION_FILE}: needs one line __version__ = "1.2.3" (or 1.2.3rc1), and has {found}')
    return str(found[0])


def order(version: str) -> tuple[int, int, int, str, int]:
    """Return what sorts versions: 1.2.0a1 < 1.2.0b1 < 1.2.0rc1 < 1.2.0 < 1.2.1. Raises ReleaseError."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ReleaseError(f"{version!r} is no version; write 1.2.3, or 1.2.3rc1 for one to try")
    major, minor, patch, stage, number = match.groups()
    return int(major), int(minor), int(patch), stage or "release", int(number or 0)


def sections(root: Path) -> dict[str, tuple[str | None, str]]:
    """Return the day and the text of each version of the changelog, in its order."""
    text = (root / CHANGELOG).read_text(encoding="utf-8")
    headings = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    found = {heading["version"]: (heading["day"], text[heading.end() : end].strip()) for heading, end in zip(headings, ends, strict=False)}
    if len(found) != len(headings):
        raise ReleaseError(f"{CHANGELOG}: a version has two sections")
    return found


def check(root: Path, tag: str) -> None:
    """Raise ReleaseError where a tag is not the release of what stands here."""
    version = version_of(root)
    if tag != f"v{version}":
        raise ReleaseError(
            f"the tag {tag} is not v{version}, and {version} is what {VERSION_FILE} says; delete the tag, or prepare its version"
        )
    day, _ = _released(root, version)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", day or "") is None:
        raise ReleaseError(f"{CHANGELOG}: the section [{version}] needs its day: ## [{version}] - 2026-01-31")


def notes(root: Path) -> str:
    """Return what the changelog says of the version that the package has."""
    return _released(root, version_of(root))[1]


def prepare(root: Path, version: str, day: date) -> None:
    """Give the package a version, and what the changelog has as unreleased to that version. Raises ReleaseError and writes nothing then."""
    found = sections(root)
    released = [name for name in found if name != UNRELEASED]
    if any(order(name) >= order(version) for name in released):
        raise ReleaseError(f"{CHANGELOG}: {version} is not newer than {released[0]}, which is there")
    if order(version) < order(version_of(root)):
        raise ReleaseError(f"{version} is older than {version_of(root)}, which {VERSION_FILE} says")
    if not found.get(UNRELEASED, (None, ""))[1]:
        raise ReleaseError(f"{CHANGELOG}: there is nothing under [{UNRELEASED}] to release")
    path = root / CHANGELOG
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f"## [{UNRELEASED}]\n", f"## [{UNRELEASED}]\n\n## [{version}] - {day.isoformat()}\n", 1), encoding="utf-8")
    path = root / VERSION_FILE
    path.write_text(_LINE.sub(f'__version__ = "{version}"', path.read_text(encoding="utf-8")), encoding="utf-8")


def _released(root: Path, version: str) -> tuple[str | None, str]:
    found = sections(root).get(version)
    if found is None or not found[1]:
        raise ReleaseError(f"{CHANGELOG}: says nothing of {version}; run: python -m tools.release prepare {version}")
    return found


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Do what the command line asks; return the exit code: 1 where the repository is not what a release needs."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.release", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", help="write the version and its section of the changelog").add_argument("version")
    commands.add_parser("check", help="say whether a tag is the release of what stands here").add_argument("tag")
    commands.add_parser("notes", help="print what the changelog says of the version")
    given = parser.parse_args(arguments)
    try:
        if given.command == "prepare":
            prepare(root, given.version, datetime.now(UTC).date())
            print(f"wrote {VERSION_FILE} and {CHANGELOG}; next: make generate, then read docs/upgrading.md again")
        elif given.command == "check":
            check(root, given.tag)
            print(f"{given.tag} is what stands here")
        else:
            print(notes(root))
    except ReleaseError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
