"""The command line as a whole: help that says enough, errors that say what to do, nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exporter.cli import main


def test_the_list_of_commands_is_not_cut_on_a_narrow_terminal() -> None:
    """A newcomer chooses by these lines; half a sentence tells nothing."""
    output = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    assert [line for line in output.splitlines()[1:] if line.endswith("...")] == []
    for name in main.commands:
        assert f"\n  {name} " in output


@pytest.mark.parametrize("command", ["poll", "serve", "metrics", "history"])
@pytest.mark.parametrize("file", ["missing.yml", "nothing.yml", "list.yml"])
def test_a_wrong_configuration_ends_every_command_with_2_and_one_message(tmp_path: Path, command: str, file: str) -> None:
    """Scripts tell a wrong configuration (2) from a failed poll (1); people need the name of the file."""
    (tmp_path / "list.yml").write_text("[1]")
    (tmp_path / "nothing.yml").write_text(f"store: {{path: {tmp_path / 'state.db'}}}\nsources: []\n")
    result = CliRunner().invoke(main, [command, "--config.file", str(tmp_path / file)])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert str(tmp_path) in result.stderr
    assert not (tmp_path / "state.db").exists()


def test_a_checked_configuration_says_what_is_read_and_which_exceptions_are_over(tmp_path: Path) -> None:
    """An exception that ended pages somebody at night; it can be seen by day, by whoever edits the file."""
    file = tmp_path / "config.yml"

    def check(text: str) -> Result:
        file.write_text(text, encoding="utf-8")
        result = CliRunner().invoke(main, ["check-config", str(file)])
        assert result.exit_code == 0, result.output
        return result

    exceptions = [
        {"name": name, "reason": "test", "expires": expires, "ports": [22]} for name, expires in (("a", "2026-01-31"), ("b", "2999-01-31"))
    ]
    told = check(json.dumps({"posture": {"source": "ec2", "exceptions": exceptions}}))
    assert "; what stands: read (ec2)\n" in told.stdout
    ended = "the exception a ended at 2026-02-01T00:00:00Z, and what it covered counts as open; renew it, or remove it"
    assert told.stderr == f"Note: {ended}\n"
    files = f"sources: [{{type: files, path: {tmp_path}}}]"
    told = check(files)
    assert "; what stands: not read\n" in told.stdout
    assert told.stderr == ""
    told = check("sources: []\nposture: {enabled: true}")
    assert "valid; sources: none; " in told.stdout
    told = check("posture: {source: ec2, aggregator: {name: all, region: us-east-1}}")
    assert told.stderr.startswith("Note: the aggregator is never asked, because `posture.source` is ec2; remove it")
    told = check("posture: {overrides: [{source: ec2}], aggregator: {name: all, region: us-east-1}}")
    assert told.stderr == ""
    examined = check(f"{files}\nstore: {{path: {tmp_path / 'state.db'}}}\nposture: {json.dumps({'exceptions': exceptions})}")
    assert examined.stderr == f"Note: {ended}\n"
    examined = CliRunner().invoke(main, ["doctor", "--config.file", str(file), "--format", "json"])
    found = [finding for finding in json.loads(examined.stdout)["findings"] if finding["check"] == "configuration"]
    assert [(finding["status"], finding["detail"]) for finding in found][1:] == [("warning", ended)]


def test_there_must_be_something_to_read(tmp_path: Path) -> None:
    """What stands can be read without any source of events, for a pipeline that only asks what is open; but not nothing at all."""
    file = tmp_path / "config.yml"
    for text in ("sources: []", "sources: []\nposture: {enabled: false}"):
        file.write_text(text, encoding="utf-8")
        result = CliRunner().invoke(main, ["check-config", str(file)])
        assert (result.exit_code, "no source is configured" in result.stderr) == (2, True), result.output
