"""The whole path against a generated trail whose truth is known: duplicates, shuffles, growth and kill -9 move no count."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporter.demo.calls import Made
from exporter.demo.trail import TrailGenerator
from tests.records import write_trail
from tests.trail_truth import stored, truth

START = datetime(2026, 1, 1, tzinfo=UTC)


def configure(directory: Path) -> Path:
    """Write a configuration that counts everything."""
    config = directory / "config.yml"
    config.write_text(
        json.dumps(
            {
                "store": {"path": str(directory / "state.db")},
                "sources": [{"type": "files", "path": str(directory / "trail"), "live_since": "beginning"}],
            }
        )
    )
    return config


def poll(config: Path) -> subprocess.Popen[bytes]:
    """Start one real `poll`."""
    command = [sys.executable, "-m", "exporter", "poll", "--config.file", str(config), "--log.level", "error"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_generated_trail_counts_as_its_truth_says(tmp_path: Path, seed: int) -> None:
    """3,000 records of every kind, delivered twice, shuffled, over growing files and several polls."""
    chance = random.Random(seed)
    made = list(TrailGenerator(seed).records(3000, START, START + timedelta(days=2), change_share=0.3))
    delivery = [item.record for item in made] + [item.record for item in chance.sample(made, 900)]
    chance.shuffle(delivery)
    config = configure(tmp_path)
    growing = tmp_path / "trail" / "growing.ndjson"
    read = 0
    for part in range(6):
        chunk = delivery[part * 650 : (part + 1) * 650]
        read += len(chunk)
        if part % 2:
            with growing.open("a") as file:
                file.writelines(json.dumps(record) + "\n" for record in chunk)
        else:
            write_trail(tmp_path / "trail" / f"{part}.json.gz", *chunk)
        assert poll(config).wait(60) == 0
    counts, fates = stored(tmp_path / "state.db")
    assert counts == truth(made)
    assert fates["awschange_exporter_records_read_total.files"] == read == len(delivery)
    assert sum(value for name, value in fates.items() if name.startswith("awschange_exporter_records_total.")) == read
    assert fates["awschange_exporter_records_total.files.stored."] == sum(item.truth.change for item in made)


# A hundred starts of the real command, more or less: seconds each on a small and busy machine.
@pytest.mark.timeout(900)
def test_a_poll_killed_fifty_times_counts_everything_once(tmp_path: Path) -> None:
    """The real command, killed with -9 at random instants: what one transaction did not finish the next start does, once."""
    chance = random.Random(3)
    generator = TrailGenerator(3)
    made: list[Made] = []
    files = 0

    def deliver(count: int) -> None:
        nonlocal files
        for _ in range(count):
            new = list(generator.records(120, START + timedelta(hours=files), START + timedelta(hours=files + 1), change_share=0.5))
            # One record in ten comes twice, in this file and the next.
            write_trail(tmp_path / "trail" / f"{files:04}.json.gz", *(item.record for item in (*new, *made[-12:])))
            made.extend(new)
            files += 1

    config = configure(tmp_path)
    deliver(1)
    begun = time.monotonic()
    assert poll(config).wait(60) == 0
    start_up = time.monotonic() - begun
    kills = 0
    while kills < 50:
        deliver(5)
        begun = time.monotonic()
        with poll(config) as process:
            try:
                # From before the store is open to some files into the work.
                assert process.wait(chance.uniform(0.6 * start_up, 1.4 * start_up)) == 0
            except subprocess.TimeoutExpired:
                kills += 1
            else:
                # The machine was busier when this was first measured; no process would live long enough to be killed.
                start_up = min(start_up, time.monotonic() - begun)
            finally:
                process.kill()
    assert poll(config).wait(60) == 0
    counts, fates = stored(tmp_path / "state.db")
    assert counts == truth(made)
    assert fates["awschange_exporter_records_read_total.files"] == len(made) + 12 * (files - 1)
    assert fates["awschange_exporter_records_total.files.stored."] == sum(item.truth.change for item in made)
