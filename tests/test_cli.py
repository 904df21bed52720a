"""The command line as a whole: help that says enough, errors that say what to do, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

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
