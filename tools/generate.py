"""Write the pages of docs/ that come from the code; with --check, tell which are not current."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dashboards.render import pages as dashboard_pages
from tools.page_cli import cli_page
from tools.page_configuration import configuration_page
from tools.page_events import events_page
from tools.page_metrics import metrics_page

ROOT = Path(__file__).resolve().parent.parent

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/cli.md": cli_page,
    "docs/configuration.md": lambda: configuration_page((ROOT / "example.yml").read_text(encoding="utf-8")),
    "docs/events.md": events_page,
    "docs/metrics.md": metrics_page,
    **dashboard_pages(),
}
"""Every generated page and what makes its text."""


def stale(root: Path, pages: Mapping[str, Callable[[], str]]) -> dict[str, str]:
    """Return the pages whose file is missing or differs, with the text that they should have."""
    wanted = {name: render() for name, render in pages.items()}
    return {name: text for name, text in wanted.items() if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check every page; return the exit code: 1 where --check found a page that is not current."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is not current")
    check = parser.parse_args(arguments).check
    pages = stale(ROOT, PAGES)
    for name, text in pages.items():
        if check:
            print(f"{name} is not current; run: make generate", file=sys.stderr)
        else:
            (ROOT / name).write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if check and pages else 0


if __name__ == "__main__":
    sys.exit(main())
