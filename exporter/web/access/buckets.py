"""Token buckets: how often one client may do a thing."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_CLIENTS = 4096


def client_of(address: str) -> str:
    """Return whom an address belongs to: IPv4 by the address, IPv6 by the /64, which one machine has to itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False).network_address)


class Buckets:
    """A bucket for each client that was seen lately, so many at most; the one not seen for longest is forgotten, and begins anew."""

    def __init__(self, now: Callable[[], float] = time.monotonic, most: int = _MOST_CLIENTS) -> None:
        self._now, self._most = now, most
        self._lock = threading.Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, rate: float, burst: float) -> float:
        """Take a token and return 0, or return the seconds until there is one. `rate` is tokens a second, 0 for no limit."""
        if rate <= 0:
            return 0.0
        at = self._now()
        with self._lock:
            level, before = self._levels.pop(client, (burst, at))
            level = min(burst, level + max(0.0, at - before) * rate)
            wait = 0.0 if level >= 1 else (1 - level) / rate
            self._levels[client] = (level if wait else level - 1, at)
            if len(self._levels) > self._most:
                self._levels.popitem(last=False)
            return wait

    def give_back(self, client: str) -> None:
        """Put back a token that turned out not to be needed."""
        with self._lock:
            level, before = self._levels.get(client, (0.0, 0.0))
            if client in self._levels:
                self._levels[client] = (level + 1, before)

    def __len__(self) -> int:
        with self._lock:
            return len(self._levels)
