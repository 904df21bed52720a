"""The sandbox as a program."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from click.testing import CliRunner

from sandbox.cli import main
from tests.repository import ROOT


def test_it_serves_until_it_is_told_to_stop():
    """Otherwise a demo or a test leaves a server behind, or waits for one for ever."""
    command = [sys.executable, "-m", "sandbox", "--listen", "127.0.0.1:0", "--delay", "1s", "--account", "444455556666"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert found, line
            with urllib.request.urlopen(found[0] + "/-/ready") as answer:
                assert answer.status == 200
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (0, "stopped\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--listen", "5000"], "is no address; write HOST:PORT"),
        (["--listen", "127.0.0.1:70000"], "is no address; write HOST:PORT"),
        (["--account", "12"], "is no account; write its 12 digits"),
        (["--delay", "soon"], "--delay"),
        (["--digest-interval", "1ms"], "too short; the least is 1s"),
        (["--default-identity", "nobody"], "is no identity"),
        (["--identity", "user/alice"], "names no access key"),
        (["--identity", "AKIAIOSFODNN7EXAMPLE=alice"], "is no identity"),
    ],
)
def test_what_it_cannot_use_is_refused_with_a_remedy(arguments, message):
    """Otherwise it serves something else than was asked for."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_help_names_every_option():
    """Otherwise the switches cannot be found."""
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in ("--listen", "--account", "--delay", "--trail-interval", "--identity", "--source-ip"))
