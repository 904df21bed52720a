"""Gauges of what stands: all of a unit together, as one reading left them."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence

from exporter.errors import StoreError
from exporter.model import Unit
from exporter.store.base import SampleChanges, StoredSample
from exporter.store.database import Connection

_SHOW = "UPDATE posture SET samples = ?, revision = ? WHERE unit = ?"
_CHANGED = "SELECT account_id, region, samples FROM posture WHERE revision > ? ORDER BY account_id, region"


def show(connection: Connection, unit: int, samples: bytes, revision: int) -> None:
    """Replace the gauges of a unit."""
    connection.execute(_SHOW, (samples, revision, unit))


def changed_samples(connection: Connection, after: int) -> SampleChanges:
    """Return the gauges of the units whose gauges changed after a revision."""
    revision = int(connection.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()[0])
    rows = connection.execute(_CHANGED, (after,)).fetchall()
    return SampleChanges(revision, {Unit(account_id, region): _decode_samples(body) for account_id, region, body in rows})


def encode_samples(samples: Sequence[StoredSample]) -> bytes:
    """Return gauges as compressed JSON, the same ones in any order as the same bytes.

    Raises StoreError for two of one name and labels, which no scrape would take, and for a value that is no number.
    """
    rows: dict[tuple[str, tuple[str, ...]], float] = {}
    for family, labels, value in samples:
        # UTF-8 has no lone surrogates, and one odd label must not stop the page.
        key = family, tuple([label.encode("utf-8", "replace").decode("utf-8") for label in labels])
        if key in rows or not math.isfinite(value):
            what = "twice" if key in rows else f"as {value!r}"
            raise StoreError(f"{family} {key[1]!r:.300} is to be shown {what}; this is a fault of the exporter")
        rows[key] = float(value)
    text = json.dumps([[family, labels, value] for (family, labels), value in sorted(rows.items())], separators=(",", ":"))
    return zlib.compress(text.encode("ascii"))


NO_SAMPLES = encode_samples(())


def _decode_samples(body: bytes) -> tuple[StoredSample, ...]:
    try:
        return tuple([(family, tuple(labels), value) for family, labels, value in json.loads(zlib.decompress(body))])
    except (ValueError, TypeError, zlib.error) as error:
        raise StoreError(f"gauges of what stands cannot be read ({error}): the file is damaged; restore a copy") from error
