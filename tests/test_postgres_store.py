"""The store in a real PostgreSQL: restarts, other replicas, newer versions, places that are not ours, and secrets."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from exporter.errors import StoreError, TookTooLong
from exporter.store import open_store, place
from exporter.store.base import BEGINNING, Ingest, IngestResult, Query
from exporter.store.database import Connection, Rows
from exporter.store.postgres import schema
from exporter.store.postgres.probe import probe_postgres
from exporter.store.postgres.session import Session
from exporter.store.postgres.store import PostgresStore
from tests.postgres_server import PASSWORD, Server
from tests.store_events import NOON, ingest, made_up, make_event, values

PAGING = "awschange_events_total"
SECRET = "s3cret-word"


@pytest.fixture(scope="module")
def server(program) -> Iterator[Server]:
    """Start a server of this module's own, which its tests stop and start."""
    from tests.postgres_server import directory_of_programs

    if directory_of_programs() is None:
        program("initdb")
    made = Server()
    yield made
    made.close()


@pytest.fixture
def url(server: Server) -> str:
    """Return a new place for a store."""
    return server.place()


def admin(server: Server, url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements as the superuser in the schema of a store."""
    options = psycopg.conninfo.conninfo_to_dict(url)["options"]
    return server.execute(*statements, url=server.url(database="exporter", options=str(options)))


def counted(store: PostgresStore) -> float:
    """Return how many events the main counter has."""
    return sum(value for (family, _), value in values(store.series().rows).items() if family == PAGING)


def test_a_restart_of_the_server_is_survived_and_nothing_counts_twice(server: Server, url: str) -> None:
    """Databases are patched at night; the exporter must go on without anybody, and a source brings again what was cut off."""
    with closing(PostgresStore(url)) as store:
        store.append(ingest(make_event(1)))
        assert len(store.search(Query())) == 1
        server.stop()
        with pytest.raises(StoreError, match="the next poll tries again"):
            store.append(ingest(make_event(2)))
        with pytest.raises(StoreError, match="the next poll tries again"):
            store.revision()
        server.start()
        assert len(store.append(ingest(make_event(1), make_event(2))).stored) == 1
        assert [row.event.event_id for row in store.search(Query())] == [make_event(2).event_id, make_event(1).event_id]
        assert counted(store) == 2
        # Idle connections that died meanwhile are no error either.
        server.stop("fast")
        server.start()
        assert store.stats().events == 2
        assert len(store.append(ingest(make_event(3))).stored) == 1


def test_a_transaction_that_is_cut_off_leaves_nothing(server: Server, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cursor must not be ahead of the events, and what was numbered in the lost transaction must not be remembered."""
    with closing(PostgresStore(url)) as store:
        append = store._appender.append

        def cut_off(connection: Connection, batch: Ingest) -> IngestResult:
            result = append(connection, batch)
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'exporter' AND state LIKE 'idle in%'")
            return result

        monkeypatch.setattr(store._appender, "append", cut_off)
        with pytest.raises(StoreError, match="cannot store events"):
            store.append(ingest(make_event(1), cursors={"at": "1"}))
        monkeypatch.undo()
        assert store.cursor("files", "at") is None
        assert len(store.append(ingest(make_event(1), cursors={"at": "1"})).stored) == 1
        assert (store.cursor("files", "at"), counted(store)) == ("1", 1)


def test_replicas_that_start_together_make_one_store(repository: Path, url: str) -> None:
    """A new deployment starts all its replicas at once on an empty database."""
    code = "import sys; from exporter.store import open_store; store = open_store(sys.argv[1]); print(store.stats().schema_version); store.close()"
    running = [subprocess.Popen([sys.executable, "-c", code, url], cwd=repository, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(process.communicate(timeout=60)[0], process.returncode) for process in running] == [(f"{len(schema.MIGRATIONS)}\n", 0)] * 3


def test_a_replica_that_starts_while_another_makes_the_tables_does_not_take_them_for_those_of_another_program(url: str) -> None:
    """Looked at in two readings, the schema is no store in the first and full of tables in the second: the replica ends with an error."""

    class Overtaken:
        """A connection between whose statements another replica makes the store."""

        def __init__(self, session: Session) -> None:
            self._session = session

        def execute(self, sql: str, values: object = (), /) -> Rows:
            rows = self._session.execute(sql, values)
            PostgresStore(url).close()
            return rows

        def executemany(self, sql: str, rows: Iterable[object], /) -> Rows:
            raise AssertionError(sql, rows)

    with closing(Session(url, 10)) as session:
        found = schema.identify(Overtaken(session), "here", len(schema.MIGRATIONS))
        assert found.version == 0, "as it was when it was looked at; in its turn to write it looks again"
        assert schema.identify(session, "here", len(schema.MIGRATIONS)).version == len(schema.MIGRATIONS)


def test_a_schema_may_have_any_name(server: Server) -> None:
    """A name with capitals, as tools quote it, is folded to another name where it is not quoted again."""
    name = "Change Exporter"
    server.execute(f'CREATE SCHEMA "{name}" AUTHORIZATION exporter', url=server.url(database="exporter"))
    url = server.url("exporter", "exporter", PASSWORD, options='-csearch_path="Change\\ Exporter"')
    with closing(PostgresStore(url)) as store:
        store.append(ingest(make_event(1)))
        assert store.stats().size_bytes > 0
    assert probe_postgres(url).schema == name


def test_replicas_that_bring_the_same_events_count_them_once(url: str) -> None:
    """Each has a memory of its own of which numbers there are; only the database knows what was counted, whatever its defaults."""
    url += quote(" -cdefault_transaction_isolation=serializable", safe="")
    events = list({event.event_id: event for event in made_up(5, 200) if not event.supersedes}.values())
    failed: list[BaseException] = []

    def bring(name: str) -> None:
        try:
            with closing(PostgresStore(url)) as store:
                store.go_live(name, NOON, BEGINNING)
                for at in range(0, len(events), 10):
                    store.append(ingest(*events[at : at + 10], source=name))
        except BaseException as error:  # noqa: BLE001 - the test's own thread ends here, and says why
            failed.append(error)

    threads = [threading.Thread(target=bring, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failed == []
    with closing(PostgresStore(url)) as store:
        assert counted(store) == len(events) == store.stats().events
        assert all(set(row.sources) == {"one", "two", "three"} for row in store.search(Query()))


def test_a_replica_of_the_version_before_writes_nothing_into_a_newer_schema(server: Server, url: str) -> None:
    """In a rolling update the old replica still runs: it must say so and stop writing, not fill tables as they were."""
    with closing(PostgresStore(url)) as old:
        old.append(ingest(make_event(1)))
        admin(server, url, f"UPDATE exporter_store SET version = {len(schema.MIGRATIONS) + 1}")
        with pytest.raises(StoreError, match=r"newer version .* writes nothing any more; upgrade this aws-change-exporter too"):
            old.append(ingest(make_event(2)))
        assert len(old.search(Query())) == 1
        with pytest.raises(StoreError, match="newer version"):
            PostgresStore(url)
        assert admin(server, url, "SELECT count(*) FROM events") == [(1,)]


def test_a_step_of_the_schema_waits_for_writers_and_is_taken_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two new replicas beside one that writes: one step, and no write of the old one while it is taken or after it."""
    with closing(PostgresStore(url)) as old:
        old.append(ingest(make_event(1)))
        steps: list[int] = []
        step = lambda connection: (steps.append(1), connection.execute("CREATE TABLE later (id bigint)"))  # noqa: E731
        monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
        opened: list[PostgresStore] = []
        threads = [threading.Thread(target=lambda: opened.append(PostgresStore(url))) for _ in range(2)]
        with old._database.writing("hold the turn") as writer:
            for thread in threads:
                thread.start()
            writer.execute("SELECT pg_sleep(0.3)")
            assert steps == []
        for thread in threads:
            thread.join(60)
        assert steps == [1]
        assert {store.stats().schema_version for store in opened} == {2}
        for store in opened:
            store.close()


def test_tables_of_another_program_are_left_alone(server: Server, url: str) -> None:
    """A wrong database name must not fill somebody else's schema."""
    admin(server, url, "CREATE TABLE invoices (id int)")
    with pytest.raises(StoreError, match=r"tables of another program \(invoices\) and was left as it is"):
        PostgresStore(url)
    assert admin(server, url, "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace") == [("invoices",)]


def test_a_store_that_is_replaced_while_it_is_open_is_not_written(server: Server, url: str) -> None:
    """After a restore from a backup, remembered numbers of strings and series would be those of another store."""
    with closing(PostgresStore(url)) as store:
        store.append(ingest(make_event(1)))
        admin(server, url, "UPDATE exporter_store SET store = gen_random_uuid()")
        with pytest.raises(StoreError, match="another store stands now where one was opened; restart"):
            store.append(ingest(make_event(2)))


def test_a_writer_that_hangs_is_named_as_the_reason(url: str) -> None:
    """Without a bound, every replica would stand still behind it, and nobody would know why."""
    with closing(PostgresStore(url)) as one, closing(PostgresStore(url, busy_timeout=timedelta(milliseconds=100))) as two:
        with one._database.writing("hold the turn"), pytest.raises(StoreError, match="another replica or a backup kept the lock"):
            two.append(ingest(make_event(1)))
        assert len(two.append(ingest(make_event(1))).stored) == 1


def test_a_search_that_takes_too_long_is_cut_off_and_the_next_is_not(url: str) -> None:
    """A reading of minutes holds back the server's cleaning for all."""
    with closing(PostgresStore(url)) as store:
        with pytest.raises(TookTooLong, match="ask for less"), store._database.reading("search events", 0.05) as reader:
            reader.execute("SELECT pg_sleep(20)")
        with pytest.raises(TookTooLong), store._database.reading("search events", 0.0) as reader:
            reader.execute("SELECT 1")
        assert store.search(Query()) == []


def test_odd_texts_come_back_as_they_were(url: str) -> None:
    """PostgreSQL takes no NUL in a text; whoever calls AWS chooses the user agent."""
    odd = "a\0b\x01\x01\x02c"
    with closing(PostgresStore(url)) as store:
        event = make_event(1, security_groups=(odd,), event_name=odd)
        store.append(ingest(event, source=odd, cursors={odd: odd, "a\x01": "2", "a": "1"}))
        (found,) = store.search(Query(security_groups=(odd,), event_names=("a\0*",)))
        assert (found.event.event_name, found.event.security_groups, found.sources) == (odd, (odd,), (odd,))
        assert list(store.cursors(odd, "a").items()) == [("a", "1"), (odd, odd), ("a\x01", "2")]
        assert any(odd in row.labels for row in store.series().rows)


def test_its_size_is_that_of_its_tables(server: Server, url: str) -> None:
    """The growth of the database is what a person on call sees before the disk is full."""
    with closing(PostgresStore(url)) as store:
        (size,) = admin(
            server,
            url,
            "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace",
        )[0]
        assert store.stats().size_bytes == size > 100_000


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda server: server.url("exporter", "exporter", SECRET), "check the user of store.url and its password"),
        (lambda server: server.url("nobody", "exporter", SECRET), "check the user of store.url and its password"),
        (lambda server: server.url("postgres", "absent", SECRET), "create the database"),
        (lambda server: f"postgresql://exporter:{SECRET}@127.0.0.1:1/exporter", "must run there and be reachable"),
        (lambda server: f"postgresql://exporter:{SECRET}@127.0.0.1:no/exporter", "store.url"),
        (lambda server: f"postgresql://exporter:{SECRET}/@127.0.0.1/exporter", "store.url"),
        (lambda server: f"postgresql://exporter:{SECRET}?@127.0.0.1/exporter", "store.url"),
        (lambda server: f"postgresql://exporter:%zz{SECRET}@127.0.0.1/exporter", "not understood"),
        (lambda server: server.url("exporter", "exporter", sslmode=SECRET, password=SECRET), "invalid sslmode"),
        (lambda server: server.url("exporter", "exporter", PASSWORD, options="-csearch_path=absent"), "names no schema"),
        (lambda server: server.url("exporter", "exporter", PASSWORD, options="-cdefault_transaction_read_only=on"), "takes no writes"),
    ],
)
def test_what_fails_says_what_to_do_and_shows_no_password(server: Server, make, remedy: str) -> None:
    """Errors end up in logs and tickets."""
    url = make(server)
    with pytest.raises(StoreError) as caught:
        open_store(url)
    said: list[str] = []
    error: BaseException | None = caught.value
    while error is not None:
        said.append(str(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert remedy in said[0]
    assert not any(secret in text for text in said for secret in (SECRET, PASSWORD, "p%40ss")), said
    assert SECRET not in place.shown(url)


def test_without_the_client_the_remedy_is_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is not part of a plain installation."""
    for name in [name for name in sys.modules if name.startswith(("psycopg", "exporter.store.postgres."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'aws-change-exporter\[postgres\]'"):
        open_store("postgresql://exporter@127.0.0.1/exporter")
    with suppress(KeyError):
        del sys.modules["exporter.store.postgres.store"]
