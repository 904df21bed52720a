"""The database that all replicas of a run share."""

from __future__ import annotations

import os
from pathlib import Path

from exporter.store import Store, open_store
from tests.postgres_server import Server


class SharedDatabase:
    """A place for a store on a server of PostgreSQL."""

    def __init__(self, server: Server) -> None:
        self._server, self._url = server, server.place()

    def section(self) -> dict[str, str]:
        """Return the section `store` of the configuration."""
        return {"url": self._url}

    def open(self) -> Store:
        """Open the store to look what is there."""
        return open_store(self._url)

    def restart(self) -> None:
        """Restart the server."""
        self._server.restart()


def cpu_seconds(server: Server) -> float:
    """Return the CPU time of a server and its sessions, those that ended included."""
    postmaster, ticks = int((server.data / "postmaster.pid").read_text().split()[0]), 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = stat.read_text().partition(" (")
        except OSError:
            continue
        fields = rest.rpartition(") ")[2].split()
        if int(number) == postmaster:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == postmaster:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")
