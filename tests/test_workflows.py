"""The workflow files: what GitHub would refuse, what an attacker could use, and what the release promises."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.repository import ROOT

WORKFLOWS = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((ROOT / ".github/workflows").glob("*.yml"))}
JOBS = [pytest.param(job, id=f"{name}:{key}") for name, flow in WORKFLOWS.items() for key, job in flow["jobs"].items()]
RELEASE = WORKFLOWS["release.yml"]["jobs"]
NEEDED = {
    "sign": {"contents": "read", "packages": "write", "id-token": "write", "attestations": "write"},
    "image": {"contents": "read", "packages": "write"},
    "pypi": {"id-token": "write"},
    "release": {"contents": "write"},
}
"""Jobs of the release that may do more than read the repository."""


def run_tool(name: str, *words: str) -> None:
    """Run a tool of the development environment; a missing one skips the test here and fails it in CI."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        message = f"{name} is not installed beside this Python; make setup installs it"
        if os.environ.get("CI", "") not in ("", "0", "false"):
            pytest.fail(message)
        pytest.skip(message)
    done = subprocess.run([found, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def scripts(job: dict) -> str:
    """Return all that a job runs by itself."""
    return "\n".join(step.get("run", "") for step in job["steps"])


def used(job: dict) -> set[str]:
    """Return the actions that a job uses, without versions."""
    return {step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step}


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ("vendor.github-workflows", [f".github/workflows/{name}" for name in WORKFLOWS]),
        ("vendor.dependabot", [".github/dependabot.yml"]),
        ("vendor.compose-spec", ["deploy/compose/compose.yaml"]),
    ],
)
def test_a_file_follows_its_schema(schema, names):
    """Otherwise a misspelt key is found when a release fails, or never, because it is passed over."""
    run_tool("check-jsonschema", "--builtin-schema", schema, *names)


def test_zizmor_finds_nothing():
    """Otherwise whoever opens a pull request may run code with the rights of a release."""
    run_tool("zizmor", "--offline", "--no-progress", "--strict-collection", ".github")


@pytest.mark.parametrize("job", JOBS)
def test_a_job_ends_and_keeps_no_credentials(job):
    """Otherwise a hanging job costs six hours, and the token of a checkout lies in the directory that tests write to."""
    assert job["timeout-minutes"] <= 90
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_only_the_jobs_that_publish_may_write():
    """Otherwise a test, or what it installs, can put something into a release."""
    for name, flow in WORKFLOWS.items():
        assert flow["permissions"] == {}, name
        for key, job in flow["jobs"].items():
            allowed = NEEDED.get(key, {"contents": "read"}) if name == "release.yml" else {"contents": "read"}
            assert job.get("permissions", {}).items() <= allowed.items(), (name, key)


def test_ci_runs_the_script_of_the_repository_on_every_python_that_is_promised():
    """Otherwise CI checks something else than what `.ci/run` checks, or a version that the package claims is never tried."""
    check = WORKFLOWS["ci.yml"]["jobs"]["check"]
    assert check["steps"][-1]["run"] == ".ci/run"
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert check["strategy"]["matrix"]["python"] == promised


def test_nothing_is_published_before_the_tag_is_checked_and_tests_have_passed():
    """Otherwise a wrong tag or a broken commit is out, under a version that cannot be used again."""

    def before(name: str) -> set[str]:
        needs = set(RELEASE[name].get("needs", ()))
        return needs.union(*map(before, needs))

    assert "python3 -m tools.release check" in scripts(RELEASE["version"])
    assert RELEASE["ci"]["steps"][-1]["run"] == ".ci/run"
    for name in ("image", "package", "sign", "pypi", "release"):
        assert {"version", "ci"} <= before(name)
    assert {"sign", "image", "package"} <= before("pypi") & before("release")


def test_a_release_is_built_signed_attested_and_published_without_a_stored_secret():
    """Otherwise users cannot tell our release from somebody else's, or a leaked token publishes one."""
    assert {entry["architecture"] for entry in RELEASE["image"]["strategy"]["matrix"]["include"]} == {"amd64", "arm64"}
    assert "-m build --no-isolation" in scripts(RELEASE["package"])
    assert "helm package deploy/helm/aws-change-exporter" in scripts(RELEASE["package"])
    assert {"sigstore/cosign-installer", "actions/attest-build-provenance"} <= used(RELEASE["sign"])
    assert "cosign sign --yes" in scripts(RELEASE["sign"])
    assert "cosign sign-blob --yes" in scripts(RELEASE["sign"])
    assert ".cdx.json" in scripts(RELEASE["image"])
    assert used(RELEASE["pypi"]) == {"actions/download-artifact", "pypa/gh-action-pypi-publish"}
    assert RELEASE["pypi"]["environment"] == "pypi"
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"secrets\.(\w+)", text)) == {"GITHUB_TOKEN"}
    # What others may write to is no part of a release.
    assert "actions/cache" not in text


@pytest.mark.parametrize("job", JOBS)
def test_a_script_is_valid_and_holds_no_expression(job):
    """Otherwise a release stops half-way at a missing quote, or a branch's name is run as a command."""
    for step in job["steps"]:
        script = step.get("run", "")
        assert "${{" not in script
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
