"""The calls that the whole suite made to AWS, against the table of all that the exporter can make.

Every sandbox of the tests says what the exporter asked of it. Policies and cost follow from the table, so that a call that is not in it
would be denied, and a row that nothing calls would be asked for in vain. Only a run of the whole suite can tell.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from exporter.aws import OPERATIONS
from sandbox.actions import LOG

_AGENT = "aws-change-exporter/"
_log = pytest.StashKey[Path]()
_verdict = pytest.StashKey[list[str]]()


def called(lines: Iterable[str]) -> set[str]:
    """Return the actions that the exporter asked for, of logs of sandboxes."""
    rows = map(json.loads, lines)
    return {row["action"] for row in rows if row["user_agent"].startswith(_AGENT)}


def differences(made: set[str], table: set[str]) -> list[str]:
    """Return what is wrong, in words; nothing where the calls are those of the table."""
    found = [f"{action} is called, but no row of OPERATIONS in exporter/aws/operations.py has it" for action in sorted(made - table)]
    return found + [f"{action} is in OPERATIONS, but no test makes the exporter call it" for action in sorted(table - made)]


def whole(config: pytest.Config) -> bool:
    """Tell whether the whole suite is run: no path, no choice of tests, nothing left out."""
    options = config.option
    chosen = (options.keyword, options.markexpr, options.deselect, options.ignore, options.ignore_glob, getattr(options, "lf", None))
    return config.args_source == pytest.Config.ArgsSource.TESTPATHS and not any(chosen) and not options.collectonly


def pytest_configure(config: pytest.Config) -> None:
    """Have every sandbox, of this process, of its workers and of their children, keep its log in one file."""
    if not hasattr(config, "workerinput") and whole(config):
        descriptor, name = tempfile.mkstemp(prefix="sandbox-actions-", suffix=".jsonl")
        os.close(descriptor)
        config.stash[_log] = Path(name)
        os.environ[LOG] = name


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Compare, where all tests ran and passed; a difference fails the run."""
    log = session.config.stash.get(_log, None)
    if log is None:
        return
    os.environ.pop(LOG, None)
    lines = log.read_text(encoding="utf-8").splitlines()
    log.unlink()
    if exitstatus != pytest.ExitCode.OK:
        return
    session.config.stash[_verdict] = differences(called(lines), {operation.action for operation in OPERATIONS})
    if session.config.stash[_verdict]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what differs."""
    for line in config.stash.get(_verdict, []):
        terminalreporter.write_line(f"FAILED calls to AWS: {line}", red=True)
