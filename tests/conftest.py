"""Fixtures that every test module may ask for."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from exporter.store import Store
    from sandbox.server import Sandbox
    from tests.postgres_server import Server

pytest_plugins = ["tests.calls_made"]

ROOT = Path(__file__).resolve().parent.parent

# No test may act as whoever runs it: what it needs of AWS it names itself, and there is only the sandbox. Processes inherit this.
for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
    del os.environ[name]
os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}

# A machine busy with other tests is no reason to fail a property; pytest-timeout bounds the whole test.
settings.register_profile("exporter", deadline=None)
settings.load_profile("exporter")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the directory of recorded records with a checked truth, beside the checkout; skip where it is absent."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("../shared/data is not here")
    return path


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """Return a finder of programs that tests start: a missing one skips the test here and fails it in CI."""

    def find(name: str) -> Path:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
        message = f"the program {name} is not installed; CONTRIBUTING.md names its package"
        if os.environ.get("CI", "") not in ("", "0", "false"):
            pytest.fail(message)
        pytest.skip(message)

    return find


@pytest.fixture(scope="session")
def postgres(program: Callable[[str], Path]) -> Iterator[Server]:
    """Serve one PostgreSQL for the session; tests that stop it start one of their own."""
    from tests.postgres_server import Server, directory_of_programs

    if directory_of_programs() is None:
        program("initdb")
    server = Server()
    yield server
    server.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of a module that uses `each_store` on both stores, those marked `of_sqlite` on SQLite alone."""
    if "each_store" in metafunc.fixturenames:
        alone = metafunc.definition.get_closest_marker("of_sqlite") is not None
        metafunc.parametrize("each_store", ["sqlite"] if alone else ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def each_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let a module's `SqliteStore` be, or put a store in PostgreSQL in its place: a new one in memory, or one for each path."""
    stores: list[Store] = []
    if request.param == "postgres":
        from exporter.store.postgres.store import PostgresStore

        server: Server = request.getfixturevalue("postgres")
        places: dict[str, str] = {}

        def opened(path: Path | str, *given: Any, **settings: Any) -> PostgresStore:
            place = str(path)
            url = server.place() if place == ":memory:" else places.get(place) or places.setdefault(place, server.place())
            stores.append(PostgresStore(url, *given, **settings))
            return stores[-1]

        # Fixtures of another module that this one imports open theirs by that module's name.
        for module in [module for name, module in sys.modules.items() if name.startswith("tests.test_store_")]:
            if hasattr(module, "SqliteStore"):
                monkeypatch.setattr(module, "SqliteStore", opened)
        # Every statement goes to a server and back: what is tried in hundreds of examples on SQLite is tried in some here.
        chosen = getattr(request.function, "_hypothesis_internal_use_settings", None)
        if chosen is not None:
            few = settings(chosen, max_examples=max(chosen.max_examples // 10, 3))
            monkeypatch.setattr(request.function, "_hypothesis_internal_use_settings", few)
    yield str(request.param)
    for store in stores:
        store.close()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Serve one sandbox for the module, in which calls are told at once and nothing is delivered; modules that want another have their own."""
    # moto takes a second to load, and most modules ask for none.
    from sandbox.server import Sandbox, Settings

    with Sandbox(Settings(delay=timedelta(0), deliver=False)) as running:
        yield running


@pytest.fixture(scope="module")
def ec2(sandbox: Sandbox) -> Any:
    """Return a client of the EC2 of a module's sandbox."""
    from tests.sandbox_client import client

    return client(sandbox, "ec2")


@pytest.fixture
def now() -> datetime:
    """Return the time that tests call now."""
    return datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def aws_environment(monkeypatch, tmp_path) -> pytest.MonkeyPatch:
    """Return a patcher of an environment in which AWS knows one key, one region, and nothing of this machine."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch
