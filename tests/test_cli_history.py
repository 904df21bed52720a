"""The command `history`: a table that fits where it is shown, all that was done or tried, and answers that cannot mislead."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exporter.cli import main
from tests.records import authorize, event_id, record, write_trail


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration over a trail that has been polled: an opening, a denied one, and one of 60 rules with hostile text."""
    items = [
        {"ipProtocol": "tcp", "fromPort": port, "toPort": port, "ipRanges": {"items": [{"cidrIp": "192.0.2.0/24"}]}}
        for port in range(1, 61)
    ]
    hostile = {"userName": "eve\x1b[31m\u202e", "type": "IAMUser", "accountId": "111122223333"}
    many = record(
        "AuthorizeSecurityGroupIngress", 3, eventTime="2026-01-31T11:02:00Z", userIdentity=hostile,
        requestParameters={"groupId": "sg-0123456789abcdef0", "ipPermissions": {"items": items}}, responseElements={"_return": True},
    )  # fmt: skip
    denied = authorize(2, errorCode="Client.UnauthorizedOperation", responseElements=None, eventTime="2026-01-31T11:01:00Z")
    write_trail(tmp_path / "trail" / "a.json", authorize(1), denied, many)
    path = tmp_path / "config.yml"
    path.write_text(
        json.dumps({"store": {"path": str(tmp_path / "state.db")}, "sources": [{"type": "files", "path": str(tmp_path / "trail")}]})
    )
    assert run(path, command="poll").exit_code == 0
    return path


def run(config: Path, *arguments: str, command: str = "history", columns: int | None = None) -> Result:
    """Run a command with a configuration, on a terminal of some width or into a pipe."""
    environment = {"COLUMNS": str(columns) if columns else None}
    return CliRunner().invoke(main, [command, "--config.file", str(config), *arguments], env=environment)


@pytest.mark.parametrize("columns", [80, 100, 105, 120, 200, None])
def test_a_call_and_its_rule_are_never_broken_in_the_middle_of_a_word(config: Path, columns: int | None) -> None:
    """On 80 columns AuthorizeSecurit yGroupIngress is neither read nor found by grep."""
    lines = run(config, columns=columns).output.splitlines()
    assert max(map(len, lines)) <= (columns or 160)
    text = "\n".join(lines)
    for word in (
        "AuthorizeSecurityGroupIngress",
        "+ ingress tcp 22 from",
        "0.0.0.0/0",
        "sg-0123456789abcdef0",
        "111122223333 us-east-1",
        "2026-01-31 11:00:00",
    ):
        assert word in text, word


def test_a_piped_table_has_no_space_at_the_end_of_a_line(config: Path) -> None:
    """It is pasted into tickets and compared with diff."""
    assert [line for line in run(config).output.splitlines() if line != line.rstrip()] == []


def test_what_was_tried_in_vain_is_in_the_table(config: Path) -> None:
    """Who tried to open which port is half of what a denied call has to tell."""
    output = run(config, "--outcome", "denied").output
    assert "[denied: Client.UnauthorizedOperation]" in output
    assert "not done: + ingress tcp 22 from 0.0.0.0/0" in output


def test_the_table_tells_every_rule(config: Path) -> None:
    """The one that matters may be the sixtieth."""
    output = run(config, "--principal", "user/eve*").output
    assert "+ ingress tcp 60 from 192.0.2.0/24" in output
    assert "more rules" not in output
    assert "\x1b" not in output
    assert "\u202e" not in output
    assert r"user/eve\x1b[31m\u202e" in output


def test_json_and_csv_name_the_same_events_newest_first(config: Path) -> None:
    """Scripts read them; both must be whole."""
    ids = [event_id(3), event_id(2), event_id(1)]
    assert [row["event_id"] for row in json.loads(run(config, "--format", "json").stdout)] == ids
    assert [row["event_id"] for row in csv.DictReader(io.StringIO(run(config, "--format", "csv").stdout))] == ids


def test_an_encoding_that_lacks_a_character_does_not_end_the_answer_half_way(config: Path) -> None:
    """A description in Japanese on a Latin-1 terminal must not hide the rows after it."""
    described = {
        "ipProtocol": "tcp",
        "fromPort": 1,
        "toPort": 1,
        "ipRanges": {"items": [{"cidrIp": "192.0.2.0/24", "description": "漢字"}]},
    }
    request = {"groupId": "sg-0123456789abcdef0", "ipPermissions": {"items": [described]}}
    write_trail(config.parent / "trail" / "b.json", authorize(4, requestParameters=request))
    assert run(config, command="poll").exit_code == 0
    for form in ("table", "csv", "json"):
        result = CliRunner(charset="ascii").invoke(main, ["history", "--config.file", str(config), "--format", form])
        assert result.exit_code == 0, result.output
        assert r"\u6f22\u5b57" in result.output, form


def test_nothing_found_is_said_on_the_other_stream(config: Path) -> None:
    """An empty pipe must stay empty, and a person must see that the question was heard."""
    result = run(config, "sg-00000000000000000")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No event in the store matches.\n")
    assert json.loads(run(config, "sg-00000000000000000", "--format", "json").stdout) == []


def test_a_span_that_ends_before_it_begins_is_an_error(config: Path) -> None:
    """An empty answer would read as "nobody changed anything"."""
    result = run(config, "--since", "90d", "--until", "120d")
    assert result.exit_code == 2
    assert "must be later than --since" in result.stderr


def test_a_cut_answer_says_that_it_is_cut(config: Path) -> None:
    """Else the oldest event shown is taken for the first."""
    assert "Only the newest 2 events are shown" in run(config, "--limit", "2").stderr
    assert run(config, "--limit", "3").stderr == ""
