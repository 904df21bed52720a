"""A real PostgreSQL of one's own, in a directory of its own, that can be restarted under its clients."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.conftest import free_port


def programs() -> Path | None:
    """Return the directory of PostgreSQL's programs, None where it is not installed. Debian keeps them out of PATH."""
    on_path = shutil.which("initdb")
    known = [Path(on_path).resolve().parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((path for path in known if (path / "initdb").exists()), None)


class Postgres:
    """One server, from `with` until its end. It never runs as root: root starts it as the user `postgres`."""

    def __init__(self, settings: Sequence[str] = ()) -> None:
        found = programs()
        if found is None:
            raise RuntimeError("PostgreSQL is not installed; on Debian and Ubuntu: apt-get install postgresql")
        self._bin, self._settings = found, settings
        self._databases = 0
        self.port = free_port()
        self.directory = Path()

    def new_database(self) -> str:
        """Make a database that is empty and return its address."""
        self._databases += 1
        name = f"exporter_{self._databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def __enter__(self) -> Self:
        """Make a cluster and start it."""
        self.directory = Path(tempfile.mkdtemp(prefix="aws-change-exporter-postgres-"))
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
        try:
            self._run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "--locale=C", "-E", "UTF8")
            self._run("pg_ctl", "-D", self._data, "-o", self._options, "-l", self._log, "-w", "start")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it and remove what it kept."""
        self._end()

    def restart(self) -> None:
        """End every session and transaction under way, and be there again with all that was committed."""
        self._run("pg_ctl", "-D", self._data, "-o", self._options, "-l", self._log, "-m", "fast", "-w", "restart")

    def cpu_seconds(self) -> float:
        """Return the CPU time of the server and all its sessions, those that ended included."""
        parent = int((self.directory / "data" / "postmaster.pid").read_text().split()[0])
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                number, _, rest = stat.read_text().partition(" (")
            except OSError:
                continue
            fields = rest.rpartition(") ")[2].split()
            if int(number) == parent:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == parent:
                ticks += sum(map(int, fields[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    @property
    def _data(self) -> str:
        return str(self.directory / "data")

    @property
    def _log(self) -> str:
        return str(self.directory / "log")

    @property
    def _options(self) -> str:
        words = ["-p", str(self.port), "-k", str(self.directory), "-c", "listen_addresses=127.0.0.1"]
        return " ".join((*words, *(word for setting in self._settings for word in ("-c", setting))))

    def _end(self) -> None:
        if (self.directory / "data" / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.directory, ignore_errors=True)

    def _run(self, name: str, *arguments: str) -> None:
        as_postgres = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []
        with tempfile.TemporaryFile() as said:
            # A file, not a pipe: the server that pg_ctl starts would hold the pipe open.
            done = subprocess.run(
                [*as_postgres, str(self._bin / name), *arguments],
                check=False, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            )  # fmt: skip
            if done.returncode != 0:
                said.seek(0)
                raise RuntimeError(f"{name} failed: {said.read().decode(errors='replace')[-2000:]}")
