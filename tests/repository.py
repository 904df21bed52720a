"""The files of the repository, for the tests that hold all of them to a rule."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_SHOWN = {".ci", ".github", ".gitignore", ".pre-commit-config.yaml"}
_BINARY = {".gz", ".png", ".ico", ".db"}


def _left_out(part: str) -> bool:
    return part in {"__pycache__", "build", "dist"} or (part.startswith(".") and part not in _SHOWN)


@cache
def files() -> tuple[Path, ...]:
    """Return every file that is committed or could be; without git, every file outside hidden and built directories."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
        found = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        found = [path for path in ROOT.rglob("*") if not any(map(_left_out, path.relative_to(ROOT).parts))]
    return tuple(sorted(path for path in found if path.is_file() and not path.is_symlink()))


def texts(*suffixes: str) -> Iterator[tuple[str, str]]:
    """Yield relative name and text of every text file with one of the suffixes, or of all."""
    for path in files():
        if path.suffix not in _BINARY and (not suffixes or path.suffix in suffixes):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8", errors="replace")
