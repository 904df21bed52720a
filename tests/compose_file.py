"""The Compose file as its tests read it: services, what is mounted where, and each of their files laid out as in its container."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.repository import ROOT

PATH = ROOT / "deploy/compose/compose.yaml"


@dataclass(frozen=True)
class Mount:
    """One mount: a path of the repository, or the name of a volume, and where it is in the container."""

    source: str
    target: str
    mode: str

    @property
    def path(self) -> Path | None:
        """The file or directory that it shows; None for a volume."""
        return (PATH.parent / self.source).resolve() if self.source.startswith(".") else None


def document() -> dict[str, Any]:
    """Return the whole file, anchors resolved."""
    found: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    return found


def mounts(service: dict[str, Any]) -> list[Mount]:
    """Return what a service mounts, in order."""
    return [
        Mount(source, target, mode or "rw") for source, target, mode in (f"{text}:".split(":")[:3] for text in service.get("volumes", ()))
    ]


def lay_out(service: dict[str, Any], root: Path, replaced: dict[str, str]) -> None:
    """Copy the mounted files of a service below a directory, each where its container has it, with addresses replaced."""
    for mount in mounts(service):
        target = root / mount.target.lstrip("/")
        if mount.path is None:
            target.mkdir(parents=True, exist_ok=True)
        elif mount.path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(replace(mount.path.read_text(encoding="utf-8"), replaced), encoding="utf-8")


def replace(text: str, replaced: dict[str, str]) -> str:
    """Return a text with every address or path replaced."""
    for old, new in replaced.items():
        text = text.replace(old, new)
    return text
