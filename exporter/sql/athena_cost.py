"""What a query costs, by the bytes that it scanned.

Source: Amazon Athena pricing: rounded up to the megabyte, at least 10 MB a query; queries that fail are free, cancelled ones are not.
A terabyte is taken as 10^12 bytes, which estimates too much rather than too little.
"""

from __future__ import annotations

from math import ceil

_MEGABYTE, _TERABYTE = 10**6, 10**12
LEAST_BYTES = 10 * _MEGABYTE


def cost(scanned: int, price_per_terabyte: float) -> float:
    """Return the US dollars of one query."""
    billed = max(ceil(scanned / _MEGABYTE) * _MEGABYTE, LEAST_BYTES)
    return billed / _TERABYTE * price_per_terabyte


def told(scanned: int) -> str:
    """Return bytes as people read them."""
    size = float(scanned)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} TB"
