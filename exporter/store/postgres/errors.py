"""What PostgreSQL and libpq say, as StoreErrors for people, in which no password can stand."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from exporter.errors import StoreError, TookTooLong
from exporter.store.place import shown

_LATER = "nothing is lost: the next poll tries again"
_BY_STATE = {
    "25P03": f"this replica stood still for a minute within a transaction, and the server ended it; {_LATER}",
    "25006": "this server takes no writes: name the primary, or let libpq find it with target_session_attrs=read-write in store.url",
    "28": "check the user of store.url and its password (PGPASSWORD, or a passfile), and pg_hba.conf",
    "3D000": "create the database (docs/postgresql.md), or correct store.url",
    "42501": "grant the user of store.url what docs/postgresql.md names, or make it the owner",
    "42P01": "a table of the store is missing: restore a backup, or empty the schema to start anew",
    "53100": f"the disk of the server is full: free space; {_LATER}",
    "53300": "the server takes no more connections: raise max_connections; each replica needs up to 10",
    "54000": "a value is larger than PostgreSQL takes",
    "55P03": f"another replica or a backup kept the lock for too long; look in pg_locks who does; {_LATER}",
    "57014": "it took too long: ask for less, for example a shorter time",
    "57P": f"the server is being stopped or started; {_LATER}",
    "58": "the disk of the server failed: look in its log",
    "XX": "the database is damaged: look in the server's log, and restore a backup",
}
_BY_TEXT = (
    # First: "the database system is starting up" names a database too.
    ("starting up", _BY_STATE["57P"]),
    ("shutting down", _BY_STATE["57P"]),
    ("password authentication failed", _BY_STATE["28"]),
    ("no password supplied", _BY_STATE["28"]),
    ("pg_hba.conf", _BY_STATE["28"]),
    ("role ", _BY_STATE["28"]),
    ("database ", _BY_STATE["3D000"]),
    ("too many", _BY_STATE["53300"]),
    ("remaining connection slots", _BY_STATE["53300"]),
    ("session is read-only", _BY_STATE["25006"]),
    ("certificate", "check sslmode and sslrootcert of store.url against the certificate of the server"),
    ("SSL", "check sslmode of store.url against what the server takes"),
    ("translate host name", "correct the host of store.url"),
)
_UNREACHABLE = f"PostgreSQL must run there and be reachable from here; {_LATER}"
_SECRETS = ("password", "sslpassword")


def refuse_unreadable(url: str) -> None:
    """Raise StoreError for a URL that libpq does not understand; what it says of it may repeat the password."""
    try:
        conninfo_to_dict(url)
    except psycopg.Error:
        raise StoreError(
            "store.url: not understood (it is not shown, because it may hold a password); write postgresql://user@host:5432/database, "
            "and what is special in a password as %40 and the like"
        ) from None


def translate(url: str, what: str, error: psycopg.Error) -> StoreError:
    """Return the StoreError that says which database, what failed and what to do about it."""
    text = without_secrets(url, " ".join(str(error).split()))
    state = error.sqlstate or ""
    remedy = next((remedy for start, remedy in _BY_STATE.items() if state.startswith(start)), None)
    if remedy is None and not state and isinstance(error, psycopg.OperationalError):
        remedy = next((remedy for part, remedy in _BY_TEXT if part in text), _UNREACHABLE)
    kind = TookTooLong if state == "57014" else StoreError
    return kind(f"{shown(url)}: cannot {what}: {text}" + (f"; {remedy}" if remedy else ""))


def without_secrets(url: str, text: str) -> str:
    """Return a text in which no password of a URL stands, however it is spelled."""
    given = [str(value) for name, value in conninfo_to_dict(url).items() if name in _SECRETS and value]
    spelled = urlsplit(url).netloc.rpartition("@")[0].partition(":")[2]
    for secret in sorted({*given, *(quote(secret) for secret in given), spelled} - {""}, key=len, reverse=True):
        text = re.sub(re.escape(secret), "…", text)
    return text
