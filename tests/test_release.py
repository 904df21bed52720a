"""What makes a release: one version, a changelog in order, and a tool that writes both and refuses a tag that is neither."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import exporter
from exporter.store.schema import MIGRATIONS
from tests.repository import ROOT
from tools import release

SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
DAY = date(2026, 1, 31)
CHANGES = """# Changelog

Words.

## [Unreleased]

### Added

- A thing.

## [0.1.0] - 2026-01-01

### Added

- The first.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository whose version 0.1.0 is out, and that has something new."""
    (tmp_path / "exporter").mkdir()
    (tmp_path / release.VERSION_FILE).write_text('"""Words."""\n\n__version__ = "0.1.0"\n')
    (tmp_path / release.CHANGELOG).write_text(CHANGES)
    return tmp_path


def told(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run the tool; return its exit code and what it says."""
    code = release.main(words, root)
    out, err = capsys.readouterr()
    return code, out + err


def test_a_version_is_prepared_checked_and_told_of(root, capsys):
    """Otherwise a release is made by hand in two files, and one of them is forgotten."""
    release.prepare(root, "0.2.0", DAY)
    assert release.version_of(root) == "0.2.0"
    text = (root / release.CHANGELOG).read_text()
    assert text == CHANGES.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [0.2.0] - 2026-01-31\n")
    assert told(root, capsys, "check", "v0.2.0") == (0, "v0.2.0 is what stands here\n")
    assert told(root, capsys, "notes") == (0, "### Added\n\n- A thing.\n")


def test_prepare_writes_the_day_of_today(root, capsys):
    """Otherwise the changelog says that a version came out when its tool was written."""
    assert told(root, capsys, "prepare", "0.2.0")[0] == 0
    day = release.sections(root)["0.2.0"][0]
    assert abs((datetime.now(UTC).date() - date.fromisoformat(day)).days) <= 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "v0.1.1"), "the tag v0.1.1 is not v0.1.0"),
        (("check", "0.1.0"), "the tag 0.1.0 is not v0.1.0"),
        (("prepare", "0.1.0"), "0.1.0 is not newer than 0.1.0"),
        (("prepare", "0.0.9"), "0.0.9 is not newer than 0.1.0"),
        (("prepare", "0.1.0rc1"), "0.1.0rc1 is not newer than 0.1.0"),
        (("prepare", "v0.2.0"), "'v0.2.0' is no version"),
        (("prepare", "0.2"), "'0.2' is no version"),
    ],
)
def test_what_is_no_release_is_refused(root, capsys, words, said):
    """Otherwise a wrong tag publishes a package under a version that is another one's, which no index lets anybody take back."""
    before = [(root / name).read_text() for name in (release.VERSION_FILE, release.CHANGELOG)]
    code, text = told(root, capsys, *words)
    assert code == 1
    assert said in text
    assert [(root / name).read_text() for name in (release.VERSION_FILE, release.CHANGELOG)] == before


@pytest.mark.parametrize(
    ("name", "old", "new", "words", "said"),
    [
        (release.CHANGELOG, " - 2026-01-01", "", ("check", "v0.1.0"), "the section [0.1.0] needs its day"),
        (release.CHANGELOG, "## [0.1.0]", "## [0.0.1]", ("check", "v0.1.0"), "says nothing of 0.1.0; run: python -m tools.release prepare 0.1.0"),
        (release.CHANGELOG, "### Added\n\n- The first.", "", ("notes",), "says nothing of 0.1.0"),
        (release.CHANGELOG, "[0.1.0]", "[Unreleased]", ("notes",), "a version has two sections"),
        (release.CHANGELOG, "### Added\n\n- A thing.\n", "", ("prepare", "0.2.0"), "nothing under [Unreleased]"),
        (release.VERSION_FILE, "0.1.0", "0.1.0.dev1", ("check", "v0.1.0.dev1"), "needs one line __version__"),
        (release.VERSION_FILE, "0.1.0", "0.3.0", ("prepare", "0.2.0"), "0.2.0 is older than 0.3.0"),
    ],
)  # fmt: skip
def test_a_repository_that_cannot_be_released_is_said(root, capsys, name, old, new, words, said):
    """Otherwise a release comes out with empty notes, or notes of another version."""
    path = root / name
    path.write_text(path.read_text().replace(old, new, 1))
    code, text = told(root, capsys, *words)
    assert code == 1
    assert said in text


def test_versions_are_in_order():
    """Otherwise a release candidate passes for newer than its release."""
    names = ["0.1.0", "0.2.0a1", "0.2.0b1", "0.2.0rc1", "0.2.0rc2", "0.2.0", "0.2.1", "0.10.0", "1.0.0"]
    assert sorted(sorted(names), key=release.order) == names


def test_the_changelog_has_the_shape_of_one():
    """Otherwise its last version cannot be cut out of it, and people do not find what was removed."""
    found = release.sections(ROOT)
    assert next(iter(found)) == release.UNRELEASED
    released = [name for name in found if name != release.UNRELEASED]
    assert released == sorted(released, key=release.order, reverse=True)
    assert all(release.order(name) <= release.order(exporter.__version__) for name in released)
    for name, (day, text) in found.items():
        assert (day is None) == (name == release.UNRELEASED), name
        headings = re.findall(r"^### (.*)$", text, re.MULTILINE)
        assert headings == [heading for heading in SECTIONS if heading in headings], name
        assert not text or text.startswith("### "), name


def test_the_upgrade_notes_know_every_version_and_the_schema_of_the_store():
    """Otherwise somebody upgrades, wants to go back, and finds out then that the store does not let them."""
    page = (ROOT / "docs/upgrading.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\S+) \| (\d+) \|", page, re.MULTILINE)
    versions = [name for name, _ in rows]
    assert set(release.sections(ROOT)) <= {*versions, release.UNRELEASED}
    assert versions[0] in {exporter.__version__, release.UNRELEASED}
    assert int(rows[0][1]) == len(MIGRATIONS), "docs/upgrading.md: the first row of the versions needs the schema of the store"
    assert [int(schema) for _, schema in rows] == sorted((int(schema) for _, schema in rows), reverse=True)
