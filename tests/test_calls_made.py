"""The check that compares the calls of the whole suite with the table of operations."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from exporter.aws import OPERATIONS
from sandbox.actions import LOG
from sandbox.server import Sandbox, Settings
from tests.calls_made import called, differences
from tests.sandbox_client import client


def test_a_call_that_is_not_in_the_table_is_told_and_so_is_a_row_that_nothing_calls():
    """Otherwise policies lack what the exporter calls, or ask for what it never does."""
    assert differences({"sts:AssumeRole", "iam:ListUsers"}, {"sts:AssumeRole", "s3:GetObject"}) == [
        "iam:ListUsers is called, but no row of OPERATIONS in exporter/aws/operations.py has it",
        "s3:GetObject is in OPERATIONS, but no test makes the exporter call it",
    ]
    assert differences({"sts:AssumeRole"}, {"sts:AssumeRole"}) == []


def test_every_sandbox_adds_to_one_log_and_only_calls_of_the_exporter_count(tmp_path, monkeypatch):
    """Otherwise the calls that tests make to prepare AWS pass for calls of the exporter."""
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    for _ in range(2):
        with Sandbox(Settings(deliver=False)) as sandbox:
            client(sandbox, "sqs").create_queue(QueueName="q")
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["sqs:CreateQueue"] * 2
    assert called(lines) == set()
    row = json.loads(lines[0]) | {"user_agent": "aws-change-exporter/1.2.3"}
    assert called([json.dumps(row)]) == {"sqs:CreateQueue"}


SUITE = """
from sandbox.actions import ActionLog, Action

def test_a():
    log = ActionLog()
    for action in {actions}:
        log.add(Action(action, "111122223333", "us-east-1", "key", "arn", "aws-change-exporter/1", True))
    log.save()
"""


@pytest.mark.parametrize(
    ("actions", "chosen", "status", "said"),
    [
        (sorted(operation.action for operation in OPERATIONS), (), 0, ""),
        (["sts:AssumeRole", "iam:ListUsers"], (), 1, "iam:ListUsers is called, but no row of OPERATIONS"),
        (["sts:AssumeRole"], ("-n1",), 1, "s3:GetObject is in OPERATIONS, but no test makes the exporter call it"),
        (["sts:AssumeRole"], ("-k", "a"), 0, ""),
        (["sts:AssumeRole"], ("test_suite.py",), 0, ""),
    ],
)
def test_a_run_of_the_whole_suite_fails_where_calls_and_table_differ(tmp_path, repository, actions, chosen, status, said):
    """Otherwise the check is there and never fails anything, or fails whoever runs one test."""
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = .\n")
    (tmp_path / "test_suite.py").write_text(SUITE.format(actions=actions))
    command = [sys.executable, "-m", "pytest", "-p", "tests.calls_made", "-q", "-p", "no:cacheprovider", *chosen]
    run = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(repository)}, capture_output=True, text=True, check=False)
    assert run.returncode == status, run.stdout + run.stderr
    assert said in run.stdout
    assert ("FAILED calls" in run.stdout) == bool(said)
