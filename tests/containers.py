"""The container image as CI builds it, and containers of it with as few rights as they can have (.ci/image)."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.e2e.conftest import free_port, wait_until

SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "image"
TAG = "localhost/aws-change-exporter:ci"
PROGRAMS = ("buildah", "podman", "runc", "mmdebstrap")
# No tmpfs on /tmp either: Kubernetes and Docker mount none.
FEW_RIGHTS = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")


class Images:
    """A storage of images and containers of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def podman(self, *words: str, check: bool = True, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run podman; with `check`, fail with what it said."""
        done = subprocess.run(
            [SCRIPT, "podman", str(self.directory), *words], capture_output=True, text=True, check=False, timeout=seconds
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"podman {words[0]}: {done.stdout}{done.stderr}"
        return done

    def inspect(self) -> dict[str, Any]:
        """Return what the image says of itself."""
        return json.loads(self.podman("image", "inspect", TAG).stdout)[0]

    def run(self, *words: str, entrypoint: str = "", options: tuple[str, ...] = ()) -> str:
        """Run a command in a container of its own and return what it printed."""
        chosen = (f"--entrypoint={entrypoint}",) if entrypoint else ()
        return self.podman("run", "--rm", *FEW_RIGHTS, *chosen, *options, TAG, *words).stdout


class Container:
    """The exporter in a container, on a port of its own."""

    def __init__(self, images: Images, name: str, *options: str, scheme: str = "http") -> None:
        self._images, self.name = images, name
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"{scheme}://{self.address}"
        images.podman(
            "run", "--detach", f"--name={name}", *FEW_RIGHTS, f"--env=AWS_CHANGE_EXPORTER_LISTEN_ADDRESS={self.address}", *options, TAG
        )  # fmt: skip

    def podman(self, command: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of podman on this container."""
        return self._images.podman(*command.split(), self.name, *words, check=check)

    def log(self) -> str:
        """Return what the exporter logged."""
        done = self.podman("logs", check=False)
        return done.stdout + done.stderr

    def running(self) -> bool:
        """Say whether the container runs."""
        return self.podman("inspect --format {{.State.Running}}").stdout.strip() == "true"

    def until(self, condition: Any, what: str) -> Any:
        """Wait for a condition; fail with the log."""
        try:
            return wait_until(condition, what, 60)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from error

    def ready(self) -> None:
        """Wait until it answers without TLS."""
        self.until(lambda: self.get("/-/ready") is not None or not self.running(), "the container is ready")
        assert self.running(), self.log()

    def get(self, path: str) -> str | None:
        """Return what is answered, None while nothing is."""
        try:
            with urlopen(self.url + path, timeout=5) as answer:
                return answer.read().decode()
        except HTTPError:
            raise
        except OSError:
            return None

    def value(self, series: str) -> float | None:
        """Return the value of the one series that begins so, None while it is not shown."""
        found = re.search(rf"^{re.escape(series)}\S* ([0-9.e+-]+)$", self.get("/metrics") or "", re.MULTILINE)
        return float(found[1]) if found else None

    def health(self) -> tuple[int, str]:
        """Run the image's own health check; return its status and what it said."""
        done = self.podman("healthcheck run", check=False)
        kept = json.loads(self.podman("inspect").stdout)[0]["State"]
        return done.returncode, (kept.get("Healthcheck") or kept["Health"])["Log"][-1]["Output"].strip()

    def remove(self) -> None:
        """End it by force, whatever it is doing, and forget its volumes."""
        self.podman("rm --force --volumes --time 0", check=False)
