"""Threads and processes write the same file, and each sees what the others wrote."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from exporter.model import Unit
from exporter.store import SqliteStore, probe_store
from exporter.store.base import Query
from tests.crash.ingest import FORGET, IGNORED_EACH
from tests.store_events import NOON, ingest, made_up, make_event, values

EVENTS = 800
PAGING = "awschange_events_total"


def test_two_processes_that_bring_the_same_events_count_them_once(tmp_path: Path, repository: Path) -> None:
    """The `poll` command beside `serve`: whoever comes first stores, the other finds a duplicate."""
    path = tmp_path / "state.db"
    command = [sys.executable, "-m", "tests.crash.ingest", str(path), "1", str(EVENTS)]
    with ExitStack() as stack:
        running = [
            stack.enter_context(subprocess.Popen([*command, source], cwd=repository, stdout=subprocess.PIPE)) for source in ("files", "s3")
        ]
        for process in running:
            stack.callback(process.kill)  # called before the process is waited for, whatever failed
        for process in running:
            out, _ = process.communicate(timeout=60)
            assert (process.returncode, out) == (0, b"started\ndone\n")
    store = SqliteStore(path)
    first: dict[str, object] = {}
    for event in made_up(1, EVENTS):
        first.setdefault(event.event_id, event)
    found = values(store.series().rows)
    # Both go through the trail in the same order, but either may be ahead: of a conflict, the first of the trail still stands.
    assert sum(value for (family, _), value in found.items() if family == PAGING) == len(first)
    assert len(store.search(Query(limit=EVENTS))) == sum(event.event_time >= FORGET for event in first.values())  # type: ignore[attr-defined]
    for source in ("files", "s3"):
        parts = {
            labels[1:]: value
            for (family, labels), value in found.items()
            if family == "awschange_exporter_records_total" and labels[0] == source
        }
        assert sum(parts.values()) == found["awschange_exporter_records_read_total", (source,)] == EVENTS * (1 + IGNORED_EACH)
    store.close()


def test_what_another_process_writes_is_seen_at_once(tmp_path: Path) -> None:
    """`serve` shows what `poll` stored; remembered numbers of strings, series and units must not stand against it."""
    one, two = SqliteStore(tmp_path / "state.db"), SqliteStore(tmp_path / "state.db")
    revisions = [one.revision()]
    for number in range(6):
        writer, reader = (one, two) if number % 2 else (two, one)
        group = f"sg-{number // 2}"  # new to the first of the two, known by the file only to the second
        writer.append(
            ingest(make_event(number, security_groups=(group,), resources=(), account_id=f"{number // 2:012}"), source=f"s{number // 2}")
        )
        revisions.append(reader.revision())
        assert reader.revision() == writer.revision()
        assert reader.series() == writer.series()
        assert [row.event.event_id for row in reader.search(Query(security_groups=(group,)))] == [
            row.event.event_id for row in writer.search(Query(security_groups=(group,)))
        ]
    assert revisions == sorted(set(revisions))
    assert len(one.search(Query())) == 6
    rows = one.series().rows
    assert len({(row.family, row.labels) for row in rows}) == len(rows) == len({row.id for row in rows})
    assert {value for (family, _), value in values(rows).items() if family == "awschange_security_group_changes_total"} == {2.0}
    one.close()
    two.close()


def test_a_line_that_another_process_moved_holds_here_too(tmp_path: Path) -> None:
    """Both must agree on what is live."""
    one, two = SqliteStore(tmp_path / "state.db"), SqliteStore(tmp_path / "state.db")
    one.go_live("files", NOON)
    one.append(ingest(make_event(1)))
    two.go_live("files", NOON, NOON.replace(year=2027))
    assert not one.append(ingest(make_event(2))).stored[0].live
    assert one.live_since("files") == NOON.replace(year=2027)
    one.close()
    two.close()


@pytest.mark.parametrize("where", ["file", "memory"])
def test_threads_that_write_and_read_at_once_agree(tmp_path: Path, where: str) -> None:
    """Pollers of many sources, scrapes and history pages share one store."""
    store = SqliteStore(tmp_path / "state.db" if where == "file" else ":memory:")
    names = [f"source-{number}" for number in range(4)]
    for name in names:
        store.go_live(name, NOON)
    events = [make_event(n, security_groups=(f"sg-{n % 50}",)) for n in range(400)]
    errors: list[BaseException] = []
    stop = threading.Event()

    def write(name: str, offset: int) -> None:
        try:
            mine = events[offset:] + events[:offset]
            for at in range(0, 400, 8):
                store.append(ingest(*mine[at : at + 8], source=name, cursors={"at": str(at)}))
                store.register([Unit(name, "us-east-1")])
        except BaseException as error:  # noqa: BLE001 - the test's own thread ends here, and says why
            errors.append(error)

    def read() -> None:
        try:
            shown: dict[int, object] = {}
            revision = 0
            while not stop.is_set():
                changes = store.series(revision)
                assert changes.revision >= revision
                revision = changes.revision
                shown |= {row.id: row for row in changes.rows}
                by_label = {(row.family, row.labels): row.value for row in store.series().rows}
                # One consistent reading: stored records are the events counted, at any instant.
                stored = sum(
                    v for (family, labels), v in by_label.items() if family == "awschange_exporter_records_total" and labels[1] == "stored"
                )
                assert stored == sum(v for (family, _), v in by_label.items() if family == PAGING)
                store.mark_exposed(list(shown)[:20], NOON)
                for row in store.search(Query(security_groups=("sg-7",), limit=20, raw=True)):
                    assert row.event.raw == next(event.raw for event in events if event.event_id == row.event.event_id)
                store.stats()
            shown |= {row.id: row for row in store.series(revision).rows}
            assert {row.id: row.value for row in store.series().rows} == {number: row.value for number, row in shown.items()}  # type: ignore[attr-defined]
        except BaseException as error:  # noqa: BLE001 - the test's own thread ends here, and says why
            errors.append(error)

    writers = [threading.Thread(target=write, args=(name, number * 100)) for number, name in enumerate(names)]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in writers + readers:
        thread.start()
    for thread in writers:
        thread.join(60)
    stop.set()
    for thread in readers:
        thread.join(60)
    assert errors == []
    found = values(store.series().rows)
    assert sum(value for (family, _), value in found.items() if family == PAGING) == 400
    assert {found["awschange_exporter_records_read_total", (name,)] for name in names} == {400}
    assert {row.event.event_id for row in store.search(Query())} == {event.event_id for event in events}
    assert all(set(row.sources) == set(names) for row in store.search(Query()))
    store.close()


def test_two_stores_in_memory_are_two(tmp_path: Path) -> None:
    """Tests that shared one would pass and fail by their order."""
    one, two = SqliteStore(":memory:"), SqliteStore(":memory:")
    one.append(ingest(make_event(1)))
    assert two.search(Query()) == []
    one.close()
    two.close()


@pytest.mark.parametrize("look", [probe_store, SqliteStore])
def test_a_second_look_from_within_a_process_ends_no_lock_of_the_first(tmp_path: Path, look: Callable[[Path], object]) -> None:
    """Else the next command that ends deletes the write-ahead log under the service, and all that is stored after is lost."""
    path = tmp_path / "state.db"
    with closing(SqliteStore(path)) as store:
        store.append(ingest(make_event(1)))
        seen = look(path)
        code = (
            "import sys; from exporter.store import open_store; store = open_store(sys.argv[1]); print(store.stats().events); store.close()"
        )
        for number in (2, 3):
            told = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True).stdout
            assert int(told) == number - 1
            store.append(ingest(make_event(number)))
        assert store.stats().events == 3
        if isinstance(seen, SqliteStore):
            seen.close()
