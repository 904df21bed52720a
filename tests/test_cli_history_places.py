"""The command `history` over several places: every filter, what failed beside what did not, hostile text at every width, and Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from exporter.cli import main
from exporter.cli.places import PLACES, open_places
from exporter.config import validate
from exporter.errors import ConfigError
from exporter.store.base import Query
from tests.aws_fast import Stepping, stepping_sandbox, without_turns
from tests.aws_session import Service, reply
from tests.records import ACCOUNT, GROUP, authorize, event_id, record, write_trail
from tests.sandbox_client import client

pytestmark = pytest.mark.usefixtures("aws_environment")

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e\u200bgnp.exe\r\n" + "A" * 10_000
WIDTHS = (60, 80, 120, 200, None)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a configuration whose store has four calls: two openings, one denied, one full of hostile text."""
    folder = tmp_path_factory.mktemp("stored")
    described = {
        "ipProtocol": "tcp",
        "fromPort": 1,
        "toPort": 1,
        "ipRanges": {"items": [{"cidrIp": "192.0.2.0/24", "description": HOSTILE}]},
    }
    hostile = record(
        "AuthorizeSecurityGroupIngress", 4, eventTime="2026-01-31T11:03:00Z", userAgent=HOSTILE, sourceIPAddress=HOSTILE[:300],
        userIdentity={"type": "IAMUser", "accountId": ACCOUNT, "userName": HOSTILE[:200], "arn": HOSTILE},
        requestParameters={"groupId": GROUP, "ipPermissions": {"items": [described]}}, responseElements={"_return": True},
    )  # fmt: skip
    write_trail(
        folder / "trail" / "a.json",
        authorize(1),
        authorize(2, errorCode="Client.UnauthorizedOperation", responseElements=None, eventTime="2026-01-31T11:01:00Z"),
        authorize(3, "192.0.2.0/24", 443, "sg-00000000000000003", eventTime="2026-01-31T11:02:00Z", awsRegion="eu-west-1"),
        hostile,
    )
    path = folder / "config.yml"
    path.write_text(
        json.dumps({"store": {"path": str(folder / "state.db")}, "sources": [{"type": "files", "path": str(folder / "trail")}]})
    )
    assert CliRunner().invoke(main, ["poll", "--config.file", str(path)]).exit_code == 0
    return path


def run(config: Path, *arguments: str, columns: int | None = None) -> Result:
    """Run the command, on a terminal of some width or into a pipe."""
    environment = {"COLUMNS": str(columns) if columns else None}
    return CliRunner().invoke(main, ["history", "--config.file", str(config), *arguments], env=environment)


def numbers(result: Result) -> list[int]:
    """Return which of the made-up events an answer in ndjson has, newest first."""
    assert result.exit_code == 0, result.output
    known = {event_id(number): number for number in range(10)}
    return [known[json.loads(line)["event_id"]] for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), [4, 3, 2, 1]),
        ((GROUP,), [4, 2, 1]),
        ((GROUP, "sg-00000000000000003"), [4, 3, 2, 1]),
        (("--region", "eu-west-1"), [3]),
        (("--account", "444455556666"), []),
        (("--outcome", "denied"), [2]),
        (("--principal", "user/alice"), [3, 2, 1]),
        (("--event-name", "Authorize*", "--since", "2026-01-31T11:01:00Z", "--until", "2026-01-31T11:03:00Z"), [3, 2]),
        (("--rule-id", "sgr-0123456789abcdef0"), []),
        (("--event-id", event_id(3).upper()), [3]),
        (("--event-id", event_id(3), "--event-id", event_id(1)), [3, 1]),
        (("--limit", "2"), [4, 3]),
    ],
)
def test_every_filter_chooses(stored, arguments, expected):
    """A filter that is taken and not used shows what was not asked for."""
    assert numbers(run(stored, *arguments, "--format", "ndjson")) == expected


@pytest.mark.parametrize("form", ["table", "json", "csv", "ndjson"])
def test_nothing_found_is_said_whatever_the_form(stored, form):
    """An empty file may also be a command that never ran."""
    result = run(stored, "--event-name", "Nothing", "--format", form)
    assert (result.exit_code, result.stderr) == (0, "No event in the store matches.\n")


def test_nothing_found_where_not_all_could_be_read_is_no_answer_of_the_whole(stored, tmp_path):
    """`No event matches` right under an error reads as if nothing had happened."""
    broken = tmp_path / "broken.yml"
    broken.write_text(json.dumps({"sources": [{"type": "files", "path": str(tmp_path / "nowhere")}]}))
    result = run(broken, "--from", "files")
    assert result.exit_code == 1
    assert "No event in what could be read of the trail files matches.\n" in result.stderr


def test_a_line_of_ndjson_is_a_row_of_json(stored):
    """Scripts take one for the other."""
    rows = json.loads(run(stored, "--format", "json").stdout)
    assert [json.loads(line) for line in run(stored, "--format", "ndjson").stdout.splitlines()] == rows


def test_a_cut_answer_says_how_to_go_on_and_nothing_is_lost_between(stored):
    """`--until` of the last second shown would leave out what else happened in it."""
    first = run(stored, "--limit", "2", "--format", "ndjson")
    on = re.search(r"--until (\S+) goes on", first.stderr)
    assert on is not None
    assert numbers(first) + numbers(run(stored, "--until", on[1], "--format", "ndjson"))[1:] == [4, 3, 2, 1]


@pytest.mark.parametrize("columns", WIDTHS)
def test_hostile_text_neither_widens_the_table_nor_moves_the_cursor(stored, columns):
    """User agents, names and descriptions are the attacker's to write: ten kilobytes, right-to-left marks, control sequences."""
    output = run(stored, columns=columns).stdout
    assert max(map(len, output.splitlines())) <= (columns or 160)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", output)
    assert len(output) < 12_000
    for word in (r"\x1b[2J", r"\u202e", "<script>", "+ ingress tcp 22 from", "[denied:", "sg-00000000000000003"):
        assert word in output, word


@pytest.mark.parametrize("columns", [40, 60, 71])
def test_on_a_narrow_terminal_each_event_is_lines_of_whole_words(stored, columns):
    """Three columns of twenty characters break every name."""
    output = run(stored, "--event-id", event_id(1), columns=columns).stdout
    for word in ("AuthorizeSecurityGroupIngress", "2026-01-31 11:00:00", GROUP, "user/alice", "198.51.100.7"):
        assert word in output, word


# Several places.


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Serve a sandbox."""
    without_turns(monkeypatch)
    with stepping_sandbox(Stepping()) as running:
        yield running


def beside(stored: Path, url: str, folder: Path, **more: Any) -> Path:
    """Return the configuration with AWS at an address."""
    path = folder / "both.yml"
    path.write_text(json.dumps({**json.loads(stored.read_text()), "aws": {"endpoint_url": url}, **more}))
    return path


def test_places_are_merged_into_one_timeline(sandbox, stored, tmp_path):
    """One answer to one question, whoever knows it."""
    ec2 = client(sandbox, "ec2")
    group = ec2.create_security_group(GroupName="web", Description="d")["GroupId"]
    config = beside(stored, sandbox.url, tmp_path)
    result = run(config, "--from", "cloudtrail", "--from", "store", "--format", "ndjson")
    assert result.exit_code == 0
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["event_name"], row["sources"]) for row in rows] == [("CreateSecurityGroup", ["cloudtrail"])] + [
        ("AuthorizeSecurityGroupIngress", ["files"])
    ] * 4
    assert rows[0]["security_groups"] == [group]
    found = run(config, "--from", "cloudtrail", "--text", f"ALICE {group[3:]}", "--format", "ndjson")
    assert [json.loads(line) | {"recorded_at": ""} for line in found.stdout.splitlines()] == [rows[0] | {"recorded_at": ""}]
    assert run(config, "--from", "cloudtrail", "--text", f"bob {group}", "--format", "ndjson").stdout == ""
    empty = run(config, "--from", "store", "--from", "cloudtrail", "--event-name", "DeleteSecurityGroup")
    assert "No event in the store and Event history matches." in empty.stderr


def test_a_place_that_fails_is_said_and_the_rest_is_shown(sandbox, stored, tmp_path):
    """In an incident, half an answer now is worth more than none, but never without saying so."""
    config = beside(stored, "http://127.0.0.1:9", tmp_path)
    result = run(config, "--from", "store", "--from", "cloudtrail", "--account", ACCOUNT, "--format", "ndjson")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 4
    assert "cloudtrail" in result.stderr
    assert "The answer is not complete" in result.stderr
    missing = beside(stored, sandbox.url, tmp_path, store={"path": str(tmp_path / "none.db")})
    result = run(missing, "--from", "store", "--from", "cloudtrail", "--event-name", "CreateSecurityGroup")
    assert result.exit_code == 1
    assert "store: store.path: there is no store" in result.stderr
    alone = run(missing)
    assert (alone.exit_code, alone.stdout) == (2, "")
    assert "there is no store" in alone.stderr


def test_wrong_use_is_told_from_failure(stored):
    """A script must know whether to ask again or to be mended."""
    for arguments in (
        ("--from", "somewhere"),
        ("--from", "aws-config"),
        ("--from", "aws-config", "vpc-0123456789abcdef0"),
        ("--format", "xml"),
    ):
        assert run(stored, *arguments).exit_code == 2, arguments
    assert "name the group" in run(stored, "--from", "aws-config").stderr


def test_a_place_that_is_not_installed_says_what_to_install(stored, monkeypatch):
    """Its engine is an extra of the package."""
    for module in ("trail_places", "athena_place"):
        monkeypatch.setitem(sys.modules, f"exporter.history.{module}", None)
    for name in ("files", "s3", "athena"):
        result = run(beside(stored, "http://127.0.0.1:9", stored.parent), "--from", name)
        assert result.exit_code == 2
        assert "aws-change-exporter[sql]" in result.stderr
    with pytest.raises(ConfigError), open_places(validate({}, "x"), ["athena"], Query()):
        pass
    assert next(iter(PLACES)) == "store"


# Ctrl-C, and a terminal.

_IDENTITY = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::{ACCOUNT}:user/alice</Arn><UserId>AIDAEXAMPLEEXAMPLE</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult>
</GetCallerIdentityResponse>""".encode()


@pytest.fixture
def silent() -> Iterator[tuple[str, threading.Event]]:
    """Serve AWS that says who one is, and nothing else ever: its address, and whether it was asked for more."""
    asked, over = threading.Event(), threading.Event()

    def answer(handler: BaseHTTPRequestHandler, _number: int) -> None:
        if b"GetCallerIdentity" in service.requests[-1][3]:
            reply(handler, 200, _IDENTITY)
        else:
            asked.set()
            over.wait(120)

    with Service(answer) as service:
        yield service.url, asked
        over.set()


COMMAND = (sys.executable, "-m", "exporter", "history", GROUP, "--config.file")


@pytest.mark.parametrize("places", [("cloudtrail",), ("aws-config",), ("store", "cloudtrail", "aws-config")], ids="+".join)
def test_an_interrupt_ends_the_command_at_once_with_its_own_status(stored, silent, tmp_path, repository, places):
    """Whoever stops a long scan wants his prompt, not a trace, nor half an answer that looks whole, nor AWS's timeouts."""
    url, asked = silent
    config = beside(stored, url, tmp_path)
    arguments = [word for place in places for word in ("--from", place)]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    with subprocess.Popen([*COMMAND, str(config), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as child:
        assert asked.wait(120)
        child.send_signal(signal.SIGINT)
        output, errors = child.communicate(timeout=15)  # AWS is given up after 20 seconds, and asked again
    assert (child.returncode, output) == (130, b"")
    assert errors == b"Interrupted.\n"


def test_on_a_terminal_each_place_has_a_line_while_it_is_read(stored, silent, tmp_path, repository):
    """Event history gives a hundred events a second: without a word it looks as if it hung."""
    config = beside(stored, silent[0], tmp_path)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(repository), "TERM": "xterm", "COLUMNS": "100"}
    arguments = [*COMMAND, str(config), "--from", "store", "--from", "cloudtrail"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=theirs, env=environment) as child:
        os.close(theirs)
        shown = b""
        while b"reading cloudtrail" not in shown:
            assert select.select([ours], [], [], 60)[0], shown
            shown += os.read(ours, 4096)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
    os.close(ours)
    assert b"reading store" in shown
    assert child.returncode == 130
