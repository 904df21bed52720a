"""The release as users get it: built twice, installed without the sources anywhere near, and run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_string
from pathlib import Path

import pytest

import exporter
from tests.e2e.conftest import Process, free_port, get, wait_until
from tests.repository import ROOT, files

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
STEM = f"aws_change_exporter-{exporter.__version__}"
GROUP, EVENT = "sg-0123456789abcdef0", "3a6c0d36-a5a4-44a1-a3ea-e05a6f0a417e"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@dataclass(frozen=True)
class Release:
    """What `python -m build` made, and an environment in which the wheel is installed beside the locked dependencies."""

    sdist: Path
    wheel: Path
    environment: Path

    @property
    def command(self) -> list[str]:
        """The installed command, with nothing of this checkout in its environment."""
        return ["env", "-u", "PYTHONPATH", str(self.environment / "bin" / "aws-change-exporter")]

    def run(self, *words: str, cwd: Path) -> str:
        """Run the command and return what it prints."""
        done = subprocess.run([*self.command, *words], cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def build(source: Path, outdir: Path, *flags: str) -> None:
    """Build in a directory without fetching anything."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(outdir), *flags, str(source)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1769817600"}
    done = subprocess.run(command, cwd=outdir.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Build sdist and wheel of a copy of the checkout, remove the copy, and install the wheel into a fresh environment."""
    directory = tmp_path_factory.mktemp("release")
    source = directory / "source"
    for path in files():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    # The wheel comes out of the sdist, as it does for whoever builds it from that.
    build(source, directory / "dist")
    build(source, directory / "again", "--wheel")
    shutil.rmtree(source)
    (sdist,), (wheel,) = (directory / "dist").glob("*.tar.gz"), (directory / "dist").glob("*.whl")
    environment = directory / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, *install], check=True)
    # Dependencies are those of the lock, from the environment of the tests; a path in a .pth file leads to no other .pth file, and so
    # not to the checkout.
    (site,) = (environment / "lib").glob("python3.*/site-packages")
    paths = sysconfig.get_paths()
    (site / "dependencies.pth").write_text("".join(f"{path}\n" for path in dict.fromkeys((paths["purelib"], paths["platlib"]))))
    yield Release(sdist, wheel, environment)
    shutil.rmtree(directory)


def test_the_same_sources_give_the_same_wheel(release: Release) -> None:
    """Otherwise nobody can check that a release comes of the commit that it names, and an sdist makes another wheel than the one tested."""
    assert (release.wheel.parent.parent / "again" / release.wheel.name).read_bytes() == release.wheel.read_bytes()


def test_the_sdist_holds_what_is_tracked(release: Release) -> None:
    """Otherwise a distribution packages it and cannot run its tests, or a file of somebody's machine is published."""
    with tarfile.open(release.sdist) as archive:
        names = {member.name for member in archive.getmembers() if member.isfile()}
        owners = {(member.uid, member.gid, member.uname) for member in archive.getmembers()}
    assert release.sdist.name == f"{STEM}.tar.gz"
    tracked = {f"{STEM}/{path.relative_to(ROOT).as_posix()}" for path in files()}
    assert names - tracked == {f"{STEM}/PKG-INFO"}
    assert tracked - names == set()
    assert owners == {(0, 0, "")}


def test_the_metadata_are_those_of_the_project(release: Release) -> None:
    """Otherwise pip installs it where it cannot run, without what it needs, or the index shows an empty page."""
    with zipfile.ZipFile(release.wheel) as archive:
        metadata = message_from_string(archive.read(f"{STEM}.dist-info/METADATA").decode())
        points = archive.read(f"{STEM}.dist-info/entry_points.txt").decode()
        tags = message_from_string(archive.read(f"{STEM}.dist-info/WHEEL").decode())
        licence = archive.read(f"{STEM}.dist-info/licenses/LICENSE")
    assert metadata["Name"] == "aws-change-exporter"
    assert metadata["Version"] == exporter.__version__
    assert metadata["Summary"] == PROJECT["description"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert set(metadata.get_all("Classifier")) == set(PROJECT["classifiers"])
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")
    needed = {re.split(r"[<>=]", line)[0].lower() for line in metadata.get_all("Requires-Dist") if "extra ==" not in line}
    assert needed == {re.split(r"[<>=]", line)[0].lower() for line in PROJECT["dependencies"]}
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    assert points.split() == ["[console_scripts]", "aws-change-exporter", "=", "exporter.cli:main"]
    assert tags["Tag"] == "py3-none-any"


def test_the_installed_command_is_that_of_the_wheel(release: Release, tmp_path: Path) -> None:
    """Otherwise the tests below would run the checkout, and a file that the wheel lacks would be missed by nobody but users."""
    python = release.environment / "bin" / "python"
    asked = "import exporter, importlib.metadata as m; print(exporter.__file__); print(m.version('aws-change-exporter'))"
    told = subprocess.run(
        ["env", "-u", "PYTHONPATH", str(python), "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()
    assert Path(told[0]).is_relative_to(release.environment)
    assert told[1] == exporter.__version__
    assert release.run("--version", cwd=tmp_path).strip() == f"aws-change-exporter, version {exporter.__version__}"


def test_the_installed_package_prints_the_rules_that_are_shipped(release: Release, tmp_path: Path) -> None:
    """Whoever installs by pip has no deploy/ beside it, and takes the rules from the command."""
    assert release.run("rules", cwd=tmp_path) == (ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8")


def test_the_installed_package_serves_a_directory_of_trails(release: Release, tmp_path: Path, authorize) -> None:
    """A template, a stylesheet or a table that is not in the wheel would end the first page that somebody opens."""
    trails, address = tmp_path / "trails", f"127.0.0.1:{free_port()}"
    trails.mkdir()
    (trails / "a.json").write_text(json.dumps({"Records": [authorize(EVENT, 22)]}))
    config = {
        "store": {"path": str(tmp_path / "state.db")},
        "sources": [{"type": "files", "path": str(trails), "poll_interval": "500ms", "live_since": "beginning"}],
        "metrics": {"birth_hold": "0s"},
    }
    (tmp_path / "exporter.yml").write_text(json.dumps(config))
    release.run("check-config", "exporter.yml", cwd=tmp_path)
    command = [*release.command, "serve", "--config.file", "exporter.yml", "--web.listen-address", address]
    served = Process("exporter", command, tmp_path, f"http://{address}/-/ready")
    try:
        served.start()
        opened = 'awschange_ingress_opened_total{account_id="111122223333",region="us-east-1",port_class="admin"} 1'
        wait_until(lambda: opened in get(f"http://{address}/metrics").decode(), "the opening is counted")
        assert f'version="{exporter.__version__}"' in get(f"http://{address}/metrics").decode()
        where = "account_id=111122223333&region=us-east-1"
        addresses = (
            "",
            "history",
            f"group?{where}&security_group_id={GROUP}",
            "principal?principal=role/Deploy",
            f"event?event_id={EVENT}",
        )
        pages = {path: get(f"http://{address}/{path}").decode() for path in addresses}
        assert [path for path, page in pages.items() if "AuthorizeSecurityGroupIngress" not in page] == []
        links = {link for page in pages.values() for link in re.findall(r'<(?:link|script)[^>]* (?:href|src)="([^"]+)"', page)}
        assert {link.partition("?")[0] for link in links} == {path.name for path in (ROOT / "exporter/web/static").iterdir()}
        for link in links:
            assert get(f"http://{address}/{link}")
        described = json.loads(get(f"http://{address}/api/v1/openapi.json"))
        assert described["info"]["version"] == exporter.__version__
        changes = json.loads(get(f"http://{address}/api/v1/events"))
        assert GROUP in json.dumps(changes)
    finally:
        served.stop()
        sys.stdout.write(served.tail())
