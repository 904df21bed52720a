"""The web configuration file, read whole: its settings, TLS made of them, and what must not change for them to stay true."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from exporter.documents import checked, read_text, read_yaml
from exporter.errors import ConfigError
from exporter.web.access.settings import SECRETS, WebFile
from exporter.web.access.tls import Tls, make_tls

_MOST_BYTES = 1 << 20
"""Of a file named in the configuration; one without an end (/dev/zero) must not fill the memory."""

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a web configuration file says, ready for use."""

    settings: WebFile
    tls: Tls | None
    cautions: tuple[str, ...]


def load_rules(path: Path, seen: dict[Path, Stamp] | None = None) -> Rules:
    """Return what the file at a path says; paths in it are relative to it. Raises ConfigError that names file, key path and remedy.

    `seen` takes in the stamp of every file that was asked for, from just before it was read.
    """
    seen = {} if seen is None else seen
    seen[path] = stamp(path)
    data = read_yaml(read_text(path), str(path))
    settings = checked(WebFile, _without_blanks(data), str(path), "basic_auth_users", SECRETS)

    def read(name: Path) -> bytes:
        file = path.parent / name
        seen[file] = stamp(file)
        if file.exists() and not file.is_file():
            raise ConfigError(f"{path}: tls_server_config: {name} is no file; name a PEM file")
        with file.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ConfigError(f"{path}: tls_server_config: {name} is longer than 1 MiB; name a PEM file")
        return content

    tls = make_tls(settings.tls_server_config, str(path), read) if settings.tls_server_config.enabled else None
    return Rules(settings, tls, (*settings.cautions(), *(tls.cautions if tls else ())))


def _without_blanks(data: object) -> object:
    """Leave out sections and keys with nothing behind the colon, and take a file of comments as one without sections."""
    if data is None:
        return {}
    if not isinstance(data, dict):
        return data
    return {
        key: {name: inner for name, inner in value.items() if inner is not None}
        if isinstance(value, dict) and key != "basic_auth_users"
        else value
        for key, value in data.items()
        if value is not None
    }


def stamp(file: Path) -> Stamp:
    """Return what changes when a file is written, replaced or taken away."""
    try:
        stat = file.stat()
    except (OSError, ValueError):  # ValueError: a path with a NUL
        return 0, 0, 0
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
