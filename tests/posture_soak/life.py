"""The exporter's own command under the clock of a soak: `python -m tests.posture_soak.life CLOCK serve --config.file …`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.posture_soak.clock import Clock


def main() -> None:
    """Have all that reads AWS take its time from the clock, and wait for no turn, and run the command."""
    from exporter import pipeline, poller
    from exporter.aws.pacing import Pacer
    from exporter.cli import main as command

    clock = Clock(Path(sys.argv.pop(1)))
    made: Any = poller.Poller.__init__
    made.__defaults__ = tuple(clock if value is poller.utc_now else value for value in made.__defaults__)
    vars(pipeline)["utc_now"] = clock
    Pacer.turn = lambda _self, _key: None  # type: ignore[method-assign]
    command()


if __name__ == "__main__":
    main()
