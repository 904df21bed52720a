"""A walk over a directory tree: what may hold records, in an order that does not change."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SUFFIXES = tuple(suffix + packed for suffix in (".json", ".ndjson", ".jsonl") for packed in ("", ".gz"))
_UNFINISHED = (".tmp", ".part")
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # vanished meanwhile, or a link that leads nowhere or in a circle


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A regular file; `key` is its path below the root, fit for any encoding."""

    key: str
    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or directory that the system does not let us look at."""

    key: str
    error: OSError


def walk(root: Path) -> Iterator[TreeFile | Unreadable]:
    """Yield the files below a directory, sorted by path, or the file that `root` itself is; raise OSError for the root.

    Symbolic links are followed, each directory is visited once. Hidden, unfinished (`.tmp`, `.part`) and special
    files are passed over, and so is what vanishes meanwhile. A file named as root may have any name.
    """
    status = root.stat()
    if not stat.S_ISDIR(status.st_mode):
        if not stat.S_ISREG(status.st_mode):
            raise OSError("is neither a file nor a directory")
        yield TreeFile(_printable(root.name), os.fspath(root), status.st_size, status.st_mtime_ns)
        return
    visited = {(status.st_dev, status.st_ino)}
    todo = [_children(os.fspath(root), "")]
    while todo:
        found = next(todo[-1], None)
        if found is None:
            todo.pop()
            continue
        name, path, key = found
        try:
            status = os.stat(path)  # noqa: PTH116 - a tree may hold 100,000 files at each poll, and a Path for each costs more than the call
            if stat.S_ISDIR(status.st_mode):
                if (status.st_dev, status.st_ino) not in visited:
                    visited.add((status.st_dev, status.st_ino))
                    todo.append(_children(path, key + "/"))
            elif stat.S_ISREG(status.st_mode) and name.lower().endswith(_SUFFIXES):
                yield TreeFile(_printable(key), path, status.st_size, status.st_mtime_ns)
        except OSError as error:
            if error.errno not in _GONE:
                yield Unreadable(_printable(key), error)


def _children(path: str, prefix: str) -> Iterator[tuple[str, str, str]]:
    names = sorted(name for name in os.listdir(path) if not name.startswith(".") and not name.lower().endswith(_UNFINISHED))  # noqa: PTH208
    return iter([(name, f"{path}/{name}", prefix + name) for name in names])


def _printable(key: str) -> str:
    """Return a path as text that every encoding takes; file names are bytes and may be no UTF-8."""
    return key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
