"""A look at the database of a store before it is used, which changes nothing."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg

from exporter.errors import StoreError
from exporter.store.place import shown
from exporter.store.postgres import schema
from exporter.store.postgres.errors import refuse_unreadable, translate
from exporter.store.postgres.session import Session

_SECONDS = 5.0
_STATE = """SELECT current_setting('server_version'), current_schema(), current_user,
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', has_schema_privilege(current_schema(), 'CREATE')"""
_NOT_GRANTED = """SELECT c.relname::text, p.privilege FROM pg_class c,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p(privilege)
    WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind = 'r' AND NOT has_table_privilege(c.oid, p.privilege)
    ORDER BY 1, 2 LIMIT 1"""
_NOT_OWNED = """SELECT c.relname::text FROM pg_class c
    WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind = 'r' AND NOT pg_has_role(c.relowner, 'USAGE')
    ORDER BY 1 LIMIT 1"""


@dataclass(frozen=True, slots=True)
class PostgresProbe:
    """What is in a database: nothing yet (`version` 0), or a store of ours in a schema `version` up to `latest`.

    `server` is what PostgreSQL says of its version, `schema` where the tables are. `missing` names the privilege that an upgrade lacks,
    empty where it lacks none.
    """

    server: str
    schema: str
    version: int
    latest: int
    missing: str


def probe_postgres(url: str) -> PostgresProbe:
    """Return what is in a database; raise StoreError, with a remedy, where a store there could not be opened or written."""
    refuse_unreadable(url)
    what, where, latest = "open the store", shown(url), len(schema.MIGRATIONS)
    try:
        with closing(Session(url, _SECONDS)) as session:
            session.script(f"SET statement_timeout = {round(_SECONDS * 1000)}")
            found = schema.identify(session, where, latest)
            row: Any = session.execute(_STATE).fetchone()
            server, name, user, read_only, may_create = row
            if read_only:
                raise StoreError(
                    f"{where}: cannot {what}: the server takes no writes; name the primary, or add target_session_attrs=read-write"
                )
            if not found.version:
                if not may_create:
                    raise StoreError(
                        f"{where}: cannot {what}: {user} may not create tables in the schema {name}; "
                        f"GRANT CREATE, USAGE ON SCHEMA {name} TO {user}, or give it a database of its own (docs/postgresql.md)"
                    )
                return PostgresProbe(server, name, 0, latest, "")
            denied = session.execute(_NOT_GRANTED).fetchone()
            if denied is not None:
                raise StoreError(
                    f"{where}: cannot {what}: {user} lacks {denied[1]} on the table {denied[0]}; "
                    f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {user}"
                )
            foreign = session.execute(_NOT_OWNED).fetchone()
            missing = "" if foreign is None else f"ownership of the table {foreign[0]}"
            return PostgresProbe(server, name, found.version, latest, missing)
    except psycopg.Error as error:
        raise translate(url, what, error) from None


def exists(url: str) -> bool:
    """Tell whether there is a store in a database; raise StoreError where it cannot be asked, or what is there is not ours."""
    refuse_unreadable(url)
    try:
        with closing(Session(url, _SECONDS)) as session:
            return schema.identify(session, shown(url), len(schema.MIGRATIONS)).version > 0
    except psycopg.Error as error:
        raise translate(url, "open the store", error) from None
