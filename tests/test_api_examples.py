"""The example of docs/api.md that nobody would try before copying it, tried."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from exporter.store.base import Query
from exporter.web.server import WebServer
from tests.api_app import Api
from tests.repository import ROOT
from tests.store_events import made_up, make_event


def test_the_loop_of_the_page_reads_every_event_once(tmp_path: Path, program: Callable[[str], Path]) -> None:
    """A loop that ends after the first page looks like one that works, until somebody counts."""
    program("curl"), program("bash")
    text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    _, found, rest = text.partition("# Every page of all denied calls, by the links\n")
    assert found
    loop = rest[: rest.index("\ndone") + 5].replace("limit=1000", "limit=3").replace("outcome=denied", "text=deploy")
    api = Api()
    api.store(*made_up(4, 80), make_event(5))
    server = WebServer("127.0.0.1:0", api.app, lambda message: None)
    server.start()
    try:
        script = loop.replace("localhost:10893", server.address)
        done = subprocess.run(
            [program("bash"), "-euc", script],
            cwd=tmp_path,
            env={**os.environ, "no_proxy": "127.0.0.1"},
            capture_output=True,
            timeout=60,
            check=True,
        )
    finally:
        server.stop()
    pages = [json.loads(line)["events"] for line in done.stdout.decode().splitlines()]
    expected = [item.event.event_id for item in api.world.store.search(Query(text="deploy"))]
    assert len(pages) > 2
    assert [event["event_id"] for page in pages for event in page] == expected
    api.world.store.close()
