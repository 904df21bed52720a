"""The dashboards are what Grafana's own types say a dashboard is, and the check would notice if they were not."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

Json = dict[str, Any]
Check = Callable[[Mapping[str, Json]], dict[str, str]]

COMPILER = (
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--allowImportingTsExtensions",
    "--module",
    "nodenext",
    "--moduleResolution",
    "nodenext",
)


@pytest.fixture(scope="session")
def dashboards(repository: Path) -> dict[str, Json]:
    """Return all dashboards by the name of their file."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((repository / "grafana").glob("*.json"))}
    assert found
    return found


@pytest.fixture(scope="session")
def types(repository: Path, program: Callable[[str], Path]) -> Path:
    """Return a directory with Grafana's types and the compiler, installed by npm as the lock says and kept for the next run."""
    npm, source = program("npm"), repository / "tests" / "grafana_schema"
    program("node")
    lock = (source / "package-lock.json").read_bytes()
    kept = repository / ".grafana_schema_cache" / hashlib.sha256(lock).hexdigest()[:16]
    if not (kept / "node_modules" / ".package-lock.json").is_file():
        kept.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            (kept / name).write_bytes((source / name).read_bytes())
        command = [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(command, cwd=kept, capture_output=True, text=True, timeout=200, check=False)
            said = done.stderr if done.returncode else ""
        except subprocess.TimeoutExpired:
            said = "it took longer than 200 seconds"
        if said:
            (pytest.skip if os.environ.get("CI", "") in ("", "0", "false") else pytest.fail)(f"npm cannot install Grafana's types: {said}")
    (kept / "types.mts").write_bytes((source / "types.mts").read_bytes())
    return kept


@pytest.fixture
def check(types: Path, program: Callable[[str], Path]) -> Iterator[Check]:
    """Return a function that says what the compiler finds in dashboards, by the name of each that has faults."""
    # Beside node_modules, where imports are looked for.
    path = types / f"{os.getpid()}.mts"

    def compile_all(dashboards: Mapping[str, Json]) -> dict[str, str]:
        lines = list(statements(dashboards))
        path.write_text("\n".join(text for _, text in lines), encoding="utf-8")
        command = [str(program("node")), str(types / "node_modules/typescript/bin/tsc"), *COMPILER, path.name]
        done = subprocess.run(command, cwd=types, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode != 0) == bool(done.stdout), done
        found: dict[str, str] = {}
        name = ""
        for said in done.stdout.splitlines():
            place = re.match(rf"{path.name}\((\d+),", said)
            # The compiler explains a fault in lines that are set in, and names no place where it is not called rightly.
            assert place or said.startswith(" "), said
            name = lines[int(place[1]) - 1][0] if place else name
            found[name] = f"{found.get(name, '')}{said}\n"
        return found

    yield compile_all
    path.unlink(missing_ok=True)


def statements(dashboards: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Yield TypeScript that gives each dashboard, panel and row the type that it should have, a constant a line, with whose it is."""
    yield "", "import type { AnyDashboard, PanelTypes, Row } from './types.mts';"
    for name, dashboard in dashboards.items():
        frame = {key: value for key, value in dashboard.items() if key != "panels"}
        yield name, f"export const {constant(name)}: AnyDashboard = {json.dumps(frame)};"
        for panel in dashboard["panels"]:
            rows = [panel, *(panel.get("panels") or ())] if panel["type"] == "row" else [panel]
            for one in rows:
                kind = "Row" if one["type"] == "row" else f"PanelTypes['{one['type']}']"
                yield name, f"export const {constant(name, one['type'], str(one['id']))}: {kind} = {json.dumps(one)};"


def constant(*words: str) -> str:
    """Return a name for TypeScript."""
    return re.sub(r"\W", "_", "_".join(words))


def test_every_dashboard_has_the_types_of_grafana(dashboards, check):
    """Grafana drops what it does not understand without a word: a threshold spelled wrong is a panel that is never red."""
    assert check(dashboards) == {}


def broken(overview: Json, kind: str, change: Callable[[Json], object]) -> Json:
    """Return a copy of the overview whose first panel of a kind was changed, or which itself was where the kind is ""."""
    copied = copy.deepcopy(overview)
    change(next(panel for panel in copied["panels"] if panel["type"] == kind) if kind else copied)
    return copied


MISTAKES: tuple[tuple[str, str, Callable[[Json], object]], ...] = (
    ("gridPos", "stat", lambda panel: panel["gridPos"].update(x="0")),
    ("maxDatapoints", "timeseries", lambda panel: panel.update(maxDatapoints=100)),
    ("colourMode", "stat", lambda panel: panel["options"].update(colourMode="value")),
    ("neon", "stat", lambda panel: panel["options"].update(colorMode="neon")),
    ("fillOpaqueness", "timeseries", lambda panel: panel["fieldConfig"]["defaults"]["custom"].update(fillOpaqueness=10)),
    ("legend", "timeseries", lambda panel: panel["targets"][0].update(legend="{{region}}")),
    ("levels", "stat", lambda panel: panel["fieldConfig"]["defaults"]["thresholds"].update(levels=[])),
    ("sortby", "table", lambda panel: panel["options"].update(sortby=[])),
    ("schemaVersion", "", lambda overview: overview.update(schemaVersion="41")),
    ("titelFormat", "", lambda overview: overview["annotations"]["list"][0].update(titelFormat="")),
    ("multiple", "", lambda overview: overview["templating"]["list"][1].update(multiple=True)),
)


def test_each_mistake_is_found(dashboards, check):
    """A check that lets everything pass would look the same as dashboards without faults."""
    found = check({name: broken(dashboards["overview"], kind, change) for name, kind, change in MISTAKES})
    assert found.keys() == {name for name, _, _ in MISTAKES}
    for name in ("gridPos", "schemaVersion"):
        assert "Type 'string' is not assignable to type 'number'" in found.pop(name)
    for name, said in found.items():
        assert f"{name}'" in said or f'{name}"' in said, said


def test_the_lock_names_no_address(repository):
    """The address of somebody's package index in the lock would send everybody else there."""
    lock = (repository / "tests" / "grafana_schema" / "package-lock.json").read_text(encoding="utf-8")
    packages = {name: package for name, package in json.loads(lock)["packages"].items() if name}
    assert "://" not in lock
    assert "resolved" not in lock
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
