"""Processes that live until they are done or killed; none outlives the test that started it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path


def live(module: str, arguments: list[str], life: float | None, repository: Path) -> bool:
    """Run `tests.crash.MODULE` and kill it `life` seconds after it has said that it started; return whether it was done before.

    Without a `life` it lives until it is done.
    """
    command = [sys.executable, "-m", f"tests.crash.{module}", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=repository) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"started\n"
            if life is not None:
                time.sleep(life)
                process.send_signal(signal.SIGKILL)
            said = process.stdout.read()
        finally:
            # Whatever fails, a timeout too: leaving the block waits for the process, and it must not go on beside other tests.
            process.kill()
    assert process.returncode in (0, -signal.SIGKILL), "the process failed by itself"
    return said == b"done\n"
