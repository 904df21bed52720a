"""A real PostgreSQL server in a directory, started and stopped as tests ask; its stores stand in schemas of one database."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import psycopg

PASSWORD = "p@ss word/:%'"
"""Of the user `exporter`, who is asked for it; with all that a URL, a shell and SQL take amiss."""


def directory_of_programs() -> str | None:
    """Return where initdb and pg_ctl are: Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    if found is not None:
        return str(Path(found).resolve().parent)
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return str(versions[-1].parent) if versions else None


class Server:
    """One server on a port of 127.0.0.1, with a superuser `postgres` who needs no password there, and `exporter`, who does."""

    def __init__(self, *, fsync: bool = False) -> None:
        """Without `fsync` it is quick and forgets in a power cut, which no test makes; with it, it is as it serves."""
        self._fsync = "on" if fsync else "off"
        self._programs = directory_of_programs()
        self.directory = Path(tempfile.mkdtemp(prefix="pg-"))
        self._numbers = itertools.count(1)
        # initdb and postgres refuse to run as root.
        self._user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        if self._user is not None:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        self.data = self.directory / "data"
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C", "-N")
        (self.data / "pg_hba.conf").write_text("host all exporter 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
            self.port = listener.getsockname()[1]
        self.start()
        self.execute(
            f"CREATE ROLE exporter LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'", "CREATE DATABASE exporter OWNER exporter"
        )

    def start(self) -> None:
        """Start it; return when it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k '' -c fsync={self._fsync} -c max_connections=200"
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.directory / "log"), "-o", options, "-w", "-t", "60", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it as if the power were cut, or as pg_ctl's other modes do."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def restart(self) -> None:
        """End every session and transaction under way, as an administrator would, and be there again with all that was committed."""
        self.stop("fast")
        self.start()

    def close(self) -> None:
        """Stop it and remove all that it wrote."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def execute(self, *statements: str, url: str | None = None) -> list[tuple[object, ...]]:
        """Run statements as the superuser, each a transaction of its own; return the rows of the last."""
        with psycopg.connect(url or self.url(), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def url(self, user: str = "postgres", database: str = "postgres", password: str = "", **settings: str) -> str:
        """Return a URL of the server."""
        secret = f":{quote(password, safe='')}" if password else ""
        more = "&".join(f"{name}={quote(value, safe='')}" for name, value in settings.items())
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}" + (f"?{more}" if more else "")

    def place(self) -> str:
        """Return the URL of a new place for a store: a schema of its own."""
        name = f"store_{next(self._numbers)}_{os.getpid()}"
        self.execute(f"CREATE SCHEMA {name} AUTHORIZATION exporter", url=self.url(database="exporter"))
        return self.url("exporter", "exporter", PASSWORD, options=f"-csearch_path={name}")

    def _run(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = [f"{self._programs}/{program}", *arguments]
        if self._user is not None:
            command = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", *command]
        # In a directory that its user may enter, and with nothing of the terminal: pg_ctl leaves the server with what it has.
        with (self.directory / "said").open("ab") as said:
            done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False)
        if done.returncode:
            raise RuntimeError(f"{program}: {(self.directory / 'said').read_text(errors='replace')[-2000:]}")
