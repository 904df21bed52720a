"""What is written down agrees with the code: generated pages, the example, links, and every name that a page tells people to use."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from pydantic import Field

from exporter.checks import STATE_FAMILIES
from exporter.cli import main
from exporter.config import Config, load
from exporter.errors import MALFORMED_REASONS, SOURCE_REASONS
from exporter.families import FAMILIES
from exporter.forecast import FORECAST_FAMILIES
from exporter.metrics.exposition import Exposition
from exporter.metrics.table import TELEMETRY
from exporter.metrics.telemetry import Telemetry
from exporter.model import Unit
from exporter.settings import Settings
from exporter.store import open_store
from tests.repository import ROOT, texts
from tools import generate
from tools.markdown import table
from tools.page_configuration import rows
from tools.page_metrics import metrics_page

PAGES = {name: text for name, text in texts(".md") if not name.startswith("tests/")}
GENERATED = tuple(generate.PAGES)


def documented_metrics() -> set[str]:
    """Return the names in the tables of docs/metrics.md."""
    return set(re.findall(r"^\| `(awschange_\w+)` \|", metrics_page(), re.MULTILINE))


def code_lines(text: str) -> list[str]:
    """Return the lines of all fenced blocks of a page."""
    return [line.strip() for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for line in block.splitlines()]


def test_generated_pages_are_current():
    """Otherwise a page documents what the code no longer does; `make generate` mends it."""
    assert sorted(generate.stale(ROOT, generate.PAGES)) == []


def test_check_names_a_stale_page_and_writes_nothing(tmp_path, monkeypatch, capsys):
    """Otherwise CI would pass over a stale page, or repair it where nobody sees."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("old\n")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "PAGES", {"docs/a.md": lambda: "new\n"})
    assert generate.main(["--check"]) == 1
    assert "docs/a.md is not current" in capsys.readouterr().err
    assert (tmp_path / "docs" / "a.md").read_text() == "old\n"
    assert generate.main([]) == 0
    assert (tmp_path / "docs" / "a.md").read_text() == "new\n"
    assert generate.main(["--check"]) == 0


def test_a_setting_without_a_description_cannot_be_documented():
    """Otherwise a new key could appear in the page with nothing said about it."""

    class Silent(Settings):
        quiet: int = 1

    class Told(Settings):
        loud: int = Field(default=1, ge=0, description="How loud.")

    with pytest.raises(ValueError, match=r"Silent\.quiet has no description"):
        list(rows(Silent, ""))
    assert list(rows(Told, "x.")) == [("`x.loud`", "number from 0", "`1`", "How loud.")]


def test_tables_survive_any_text():
    """Otherwise a help text with a bar or a line break would break the table it stands in."""
    assert table(("a",), [("x | y\nz",)]) == "| a |\n| --- |\n| x \\| y z |"
    with pytest.raises(ValueError, match="wrong number of cells"):
        table(("a", "b"), [("x",)])


def test_every_key_of_the_configuration_is_documented():
    """Otherwise the walk over the models misses a section, and with it all of its keys."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    def keys(schema: dict, definitions: dict) -> set[str]:
        found = set(schema.get("properties", {}))
        return found.union(*(keys(definition, {}) for definition in definitions.values()))

    schema = Config.model_json_schema(mode="validation")
    for key in keys(schema, schema["$defs"]):
        assert re.search(rf"^(?:\| `(?:[\w.\[\]]+\.)?{key}` \||## {key}$)", page, re.MULTILINE), key


def test_every_metric_is_documented_with_its_help():
    """Otherwise somebody looks at /metrics, meets a name, and finds nothing about it."""
    telemetry = Telemetry()
    telemetry.register_source("docs", "111122223333", "us-east-1")
    store = open_store(Path(":memory:"))
    store.register([Unit("111122223333", "us-east-1")])
    shown = Exposition(store, {}, load(ROOT / "example.yml").metrics.birth_hold, lambda: 0.0, telemetry).text()
    store.close()
    names = set(re.findall(r"^# TYPE (awschange_\w+) ", shown, re.MULTILINE))
    assert {"awschange_events_total", "awschange_exporter_build_info"} <= names
    assert names <= documented_metrics()
    assert {family.name for family in (*FAMILIES, *FORECAST_FAMILIES, *STATE_FAMILIES)} | {
        metric.name for metric in TELEMETRY
    } <= documented_metrics()
    page = metrics_page()
    for reason in (*MALFORMED_REASONS, *SOURCE_REASONS):
        assert f"`{reason}`" in page


def test_every_command_and_option_is_documented():
    """Otherwise --help knows something that the page does not."""
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name, command in main.commands.items():
        assert f"## aws-change-exporter {name}\n" in page
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[0] in page


def test_the_example_configuration_is_accepted():
    """Otherwise the first thing that a newcomer copies is refused."""
    result = CliRunner().invoke(main, ["check-config", str(ROOT / "example.yml")])
    assert result.exit_code == 0, result.output
    config = load(ROOT / "example.yml")
    assert [source.name for source in config.sources] == ["cloudtrail", "eventbridge", "s3", "evidence"]


def blocks(language: str) -> list[tuple[str, str]]:
    """Return page name and content of every fenced block of one language."""
    return [
        (name, block) for name, text in PAGES.items() for block in re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


def test_configurations_shown_on_pages_are_accepted(tmp_path):
    """Otherwise a page shows a configuration that the exporter refuses."""
    shown = [(name, block) for name, block in blocks("yaml") if re.search(r"^(?:sources|posture|aws):", block, re.MULTILINE)]
    assert {"README.md", "docs/aws-config.md"} <= {name for name, _ in shown}
    for name, block in shown:
        (tmp_path / "shown.yml").write_text(block, encoding="utf-8")
        result = CliRunner().invoke(main, ["check-config", str(tmp_path / "shown.yml")])
        assert result.exit_code == 0, (name, result.output)


def test_commands_shown_on_pages_exist():
    """Otherwise a page tells people to type what the command line does not know."""
    shown = [
        (name, shlex.split(line, comments=True)[1:])
        for name, text in PAGES.items()
        for line in code_lines(text)
        if name not in GENERATED and line.startswith("aws-change-exporter ")
    ]
    assert "README.md" in [name for name, _ in shown]
    for name, (word, *arguments) in shown:
        assert word in main.commands, name
        # Parses and checks every argument, and runs nothing.
        main.commands[word].make_context(word, arguments, parent=click.Context(main)).close()


def test_metrics_named_on_pages_and_in_rules_exist():
    """Otherwise an alert watches a name that no exporter shows, and never fires."""
    known = documented_metrics()
    for name, text in [*PAGES.items(), *texts(".yml"), *texts(".html")]:
        for metric in re.findall(r"(?<![:\w])awschange_\w*[a-z]\b(?![:_])", text):
            if metric != "awschange_exporter" and not name.startswith("tests/"):
                assert metric in known or re.sub(r"_(?:bucket|sum|count)$", "", metric) in known, (name, metric)


def test_make_targets_named_on_pages_exist():
    """Otherwise a page tells people to run a target that is not there."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"setup", "demo", "test", "lint", "bench", "generate", "clean"} <= targets
    for name, text in PAGES.items():
        inline = re.findall(r"`make ([a-z]+)", text)
        for target in inline + [line.split()[1] for line in code_lines(text) if re.match(r"make [a-z]", line)]:
            assert target in targets, (name, target)


def anchors(text: str) -> set[str]:
    """Return the anchors that a page's headings make."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_links_lead_somewhere(name):
    """Otherwise a reader follows a link into nothing."""
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", PAGES[name], flags=re.MULTILINE | re.DOTALL)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.resolve().exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def test_every_decision_is_listed_and_short():
    """Otherwise a decision is not found, or not read."""
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))
    for name in listed:
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count("\n") <= 40, name
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "What would change our mind"], name
