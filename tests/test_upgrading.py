"""What docs/upgrading.md says of going back: an older version leaves the store alone, and a copy counts again what came after it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.store import schema
from tests.records import authorize, write_trail


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with a configuration, and a trail of one change that was counted."""
    config = {
        "store": {"path": str(tmp_path / "state.db")},
        "sources": [{"type": "files", "path": str(tmp_path / "trails"), "live_since": "beginning"}],
        "metrics": {"birth_hold": "0s"},
    }
    (tmp_path / "trails").mkdir()
    (tmp_path / "exporter.yml").write_text(json.dumps(config))
    write_trail(tmp_path / "trails" / "before.json", authorize(1))
    run(tmp_path, "poll")
    return tmp_path


def run(place: Path, command: str, code: int = 0) -> str:
    """Run a command on the configuration and return what it says."""
    done = CliRunner().invoke(main, [command, "--config.file", str(place / "exporter.yml")])
    assert done.exit_code == code, done.output
    return done.output


def counted(place: Path) -> list[str]:
    """Return the samples of what AWS says, without the age of things."""
    lines = run(place, "metrics").splitlines()
    return [line for line in lines if line.startswith("awschange_") and "_exporter_" not in line and "_timestamp_seconds" not in line]


def back_up(place: Path, copy: Path) -> None:
    """Copy the store as `.backup` of the command line of SQLite does."""
    with closing(sqlite3.connect(place / "state.db")) as store, closing(sqlite3.connect(copy)) as target:
        store.backup(target)


def test_a_copy_in_the_place_of_the_store_counts_again_what_came_after_it(place: Path) -> None:
    """Otherwise going back loses the changes since the copy, or counts those before it twice, and nobody can trust a counter again."""
    copy = place / "state-before.db"
    back_up(place, copy)
    before = counted(place)
    write_trail(place / "trails" / "after.json", authorize(2, port=3389), authorize(3, group="sg-0123456789abcdef1"))
    run(place, "poll")
    after = counted(place)
    assert after != before
    for name in ("state.db-wal", "state.db-shm"):
        (place / name).unlink(missing_ok=True)
    copy.replace(place / "state.db")
    assert counted(place) == before
    run(place, "poll")
    assert counted(place) == after


def test_the_version_before_leaves_a_newer_store_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise somebody who goes back without a copy has a store that neither version can read."""
    after = counted(place)
    bytes_before = (place / "state.db").read_bytes()
    with monkeypatch.context() as older:
        older.setattr(schema.identify, "__defaults__", (len(schema.MIGRATIONS) - 1,))
        older.setattr(schema.migrate, "__defaults__", (schema.MIGRATIONS[:-1], None))
        said = run(place, "poll", code=1)
    assert f"schema {len(schema.MIGRATIONS)}, this one knows {len(schema.MIGRATIONS) - 1}" in said
    assert (place / "state.db").read_bytes() == bytes_before
    assert counted(place) == after
