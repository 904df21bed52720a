"""Rules that hold for the repository as a whole."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import exporter
from tests.repository import ROOT, files, texts

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("requirements/build.txt", "requirements/dev.txt", "requirements/image.txt", "requirements/runtime.txt", "requirements/sandbox.txt")
APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""SHA-256 of the licence text as the Apache Software Foundation publishes it."""

DOCUMENTATION_ACCOUNTS = {
    "000000000000", "111111111111", "111122223333", "123456789012", "222222222222", "333333333333",
    "444455556666", "555555555555", "777788889999", "999999999999",
}  # fmt: skip
"""Account ids that AWS's own documentation uses, or that cannot belong to anybody."""


def locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """Return version and hashes of every distribution in a lock."""
    found: dict[str, tuple[str, list[str]]] = {}
    for block in re.split(r"\n(?=\S)", (ROOT / name).read_text(encoding="utf-8").strip()):
        requirement = Requirement(block.split("\\")[0].strip())
        version = re.fullmatch(r"==([\w.!+]+)", str(requirement.specifier))
        assert version, f"{name}: {requirement} is not pinned to one version"
        found[canonicalize_name(requirement.name)] = version[1], re.findall(r"--hash=sha256:([0-9a-f]{64})(?=\s|$)", block)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_locks_carry_no_address(name):
    """Otherwise an install would go to whatever index the lock was made with, or tell where it was made."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = [line for line in text.splitlines() if re.search(r"://|--(?:extra-)?index|--find-links|--trusted-host|file:|@ ", line)]
    assert found == []


@pytest.mark.parametrize("name", LOCKS)
def test_locks_pin_every_distribution_by_hash(name):
    """Otherwise pip --require-hashes refuses the lock, or somebody else's upload would be installed."""
    entries = locked(name)
    assert len(entries) > 4
    assert [name for name, (_, hashes) in entries.items() if not hashes] == []


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_agree(name):
    """Otherwise tests run with other versions than users get."""
    dev = locked("requirements/dev.txt")
    assert {name: version for name, (version, _) in locked(name).items() if dev[name][0] != version} == {}


def test_the_image_has_the_runtime_and_the_extras_that_are_named_for_it():
    """Otherwise a command that the documentation of the image promises ends with a missing module."""
    image, runtime = locked("requirements/image.txt"), locked("requirements/runtime.txt")
    extras = re.search(r"^IMAGE_EXTRAS := (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert extras
    wanted = [one for extra in extras[1].split() for one in PROJECT["project"]["optional-dependencies"][extra]]
    assert runtime.items() <= image.items()
    assert {canonicalize_name(Requirement(one).name) for one in wanted} <= image.keys()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("requirements/runtime.txt", PROJECT["project"]["dependencies"]),
        ("requirements/dev.txt", PROJECT["project"]["dependencies"]),
        ("requirements/sandbox.txt", PROJECT["project"]["dependencies"]),
        ("requirements/sandbox.txt", PROJECT["project"]["optional-dependencies"]["sandbox"]),
        ("requirements/sandbox.txt", PROJECT["project"]["optional-dependencies"]["sql"]),
        ("requirements/dev.txt", PROJECT["project"]["optional-dependencies"]["sandbox"]),
        ("requirements/dev.txt", PROJECT["dependency-groups"]["dev"]),
        ("requirements/dev.txt", PROJECT["build-system"]["requires"]),
        ("requirements/build.txt", PROJECT["build-system"]["requires"]),
    ],
)
def test_locks_satisfy_the_ranges_of_the_project(name, wanted):
    """Otherwise somebody changed pyproject.toml and forgot `make lock`."""
    entries = locked(name)
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(entries[canonicalize_name(requirement.name)][0]), requirement


def test_the_product_needs_only_what_the_runtime_lock_has():
    """Otherwise it works for us and fails where only the runtime lock is installed."""
    runtime, dev = locked("requirements/runtime.txt"), locked("requirements/dev.txt")
    hidden = [
        module
        for module, distributions in packages_distributions().items()
        if all(canonicalize_name(name) in dev.keys() - runtime.keys() for name in distributions) and module.isidentifier()
    ]
    assert "moto" in hidden
    program = (
        "import importlib, pkgutil, sys\n"
        "for name in sys.argv[1:]: sys.modules[name] = None\n"
        "import exporter\n"
        "names = [m.name for m in pkgutil.walk_packages(exporter.__path__, 'exporter.') if not m.name.endswith('__main__')]\n"
        # Of the extra `postgres`; who opens that store without it is told so (tests of open_store).
        "names = [name for name in names if not name.startswith('exporter.store.postgres.')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *hidden], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


def test_the_wheel_holds_the_product_and_nothing_else(tmp_path):
    """Otherwise users get our tests and tools in their site-packages, or a page without its template."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name == f"aws_change_exporter-{exporter.__version__}-py3-none-any.whl"
    assert {name.split("/")[0] for name in names} == {"exporter", f"aws_change_exporter-{exporter.__version__}.dist-info"}
    shipped = {name for name in names if name.startswith("exporter/")}
    assert shipped == {path.relative_to(ROOT).as_posix() for path in files() if path.is_relative_to(ROOT / "exporter")}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_version_stands_in_one_place():
    """Otherwise a release changes one of two and the metrics say the wrong version."""
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert "version" not in PROJECT["project"]
    assert [name for name, text in texts(".py") if re.search(r"^__version__ = ", text, re.MULTILINE)] == ["exporter/__init__.py"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", exporter.__version__)


def test_the_licence_is_apache_2_0():
    """Otherwise what users may do is unclear: a licence with one word missing is another licence."""
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0
    assert PROJECT["project"]["license"] == "Apache-2.0"


def test_nothing_is_left_to_do_in_the_code():
    """Otherwise a note of unfinished work is shipped instead of the work."""
    pattern = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
    assert [name for name, text in texts() if name != "tests/test_repository.py" and pattern.search(text)] == []


def test_no_module_is_a_drawer_or_a_novel():
    """Otherwise things end up where nobody looks for them."""
    drawers = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
    modules = {name: text for name, text in texts(".py") if name.startswith(("exporter/", "sandbox/"))}
    assert [name for name in modules if Path(name).stem in drawers] == []
    tables = ("exporter/catalog/",)
    assert {name: text.count("\n") for name, text in modules.items() if text.count("\n") > 400 and not name.startswith(tables)} == {}


def test_only_documentation_accounts_are_named():
    """Otherwise a recorded account id has slipped into a fixture."""
    pattern = re.compile(r"(?<![\w.+-])\d{12}(?![\w-]|\.\d)")
    found = {
        (name, number)
        for name, text in texts()
        if not name.startswith("requirements/")
        for number in pattern.findall(text)
        if number not in DOCUMENTATION_ACCOUNTS
    }
    assert found == set()


def test_no_access_key_is_named_but_those_of_the_documentation():
    """Otherwise a recorded credential has slipped into a fixture."""
    found = {(name, key) for name, text in texts() for key in re.findall(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", text) if "EXAMPLE" not in key}
    assert found == set()


def test_no_file_tells_where_it_was_made():
    """Otherwise paths and hosts of somebody's machine stand in a public repository."""
    places = re.compile(r"(?<![\w.${}*-])/(?:home|root|Users|work|workspace)/\w|\b(?:pypi|pythonhosted|npmjs|debian)\.(?:org|com)\b")
    assert [(name, found[0]) for name, text in texts() if (found := places.search(text))] == []


def test_actions_are_pinned_by_commit():
    """Otherwise whoever can move a tag of somebody else's repository runs code in ours."""
    used = [line for name, text in texts(".yml") if name.startswith(".github/workflows/") for line in re.findall(r"uses:\s*(.+)", text)]
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", line)] == []


def test_ci_runs_what_the_readme_tells_people_to_run():
    """Otherwise CI and a laptop can disagree about what is green."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("make lint", "make test"):
        assert re.search(rf"^{command}\b", text, re.MULTILINE)
        assert command in readme
