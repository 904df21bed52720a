"""Clients of a server of history: one after the other, or several people at once; what each waited, and what the server held meanwhile."""

from __future__ import annotations

import http.client
import random
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bench.history_asks import SCRAPE, Asked

_SCRAPE_EVERY = 5.0
_SAMPLE_EVERY = 0.25
_HEADERS = {"Accept-Encoding": "gzip", "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}


class Client:
    """One connection, kept open as browsers and Prometheus do."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def get(self, path: str, headers: dict[str, str] | None = None) -> bytes:
        """Return the body of an answer; raise RuntimeError for anything but a success."""
        try:
            self._connection.request("GET", path, headers=headers or {})
            answer = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError):
            # The server closes a connection that was idle for half a minute; browsers ask again.
            self._connection.close()
            self._connection.request("GET", path, headers=headers or {})
            answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path} is answered with {answer.status}: {body[:300].decode(errors='replace')}")
        return body

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@dataclass(slots=True)
class Waits:
    """What requests took, in milliseconds by kind, and how large the last answer of each was; what went wrong with any."""

    taken: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    size: dict[str, int] = field(default_factory=dict)
    slowest: dict[str, tuple[float, str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def ask(self, client: Client, name: str, path: str, headers: dict[str, str] | None = None) -> None:
        """Ask once, from the first byte that is sent to the last that is read."""
        begin = time.perf_counter()
        body = client.get(path, headers)
        taken = (time.perf_counter() - begin) * 1000
        self.taken[name].append(taken)
        self.size[name] = len(body)
        self.slowest[name] = max(self.slowest.get(name, (0.0, "")), (taken, path))

    def at(self, name: str, percent: int) -> float:
        """Return a percentile of a kind: the smallest wait that so many of a hundred did not exceed."""
        ordered = sorted(self.taken[name])
        return ordered[min(len(ordered) - 1, -(-len(ordered) * percent // 100) - 1)]

    def median(self, name: str) -> float:
        """Return the median of a kind."""
        return statistics.median(self.taken[name])


def one_after_the_other(port: int, kinds: Sequence[Asked], each: int, seed: int) -> Waits:
    """Ask for every kind so often, in an order that mixes them."""
    dice, waits, client = random.Random(seed), Waits(), Client(port)
    order = [kind for kind in kinds for _ in range(each)]
    dice.shuffle(order)
    for kind in order:
        waits.ask(client, kind.name, dice.choice(kind.paths))
    client.close()
    return waits


def at_once(port: int, kinds: Sequence[Asked], people: int, each: int, look: float, seed: int) -> Waits:
    """Have several people ask for every kind so often in all; each looks at an answer for some seconds on average before the next."""
    waits = Waits()
    dice = random.Random(seed)
    order = [kind for kind in kinds for _ in range(each)]
    dice.shuffle(order)
    lock = threading.Lock()

    def person(number: int) -> None:
        mine, client = random.Random(seed + number), Client(port)
        try:
            while not waits.failures:
                with lock:
                    kind = order.pop() if order else None
                if kind is None:
                    return
                if look:
                    time.sleep(mine.expovariate(1 / look))
                waits.ask(client, kind.name, mine.choice(kind.paths))
        except (RuntimeError, OSError, http.client.HTTPException) as error:
            waits.failures.append(str(error))
        finally:
            client.close()

    threads = [threading.Thread(target=person, args=(number,)) for number in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if waits.failures:
        raise RuntimeError(waits.failures[0])
    return waits


class Beside:
    """What goes on beside: scrapes as Prometheus makes them, and samples of the memory of the server."""

    def __init__(self, port: int, pid: int) -> None:
        self._port, self._pid = port, pid
        self.scrapes = Waits()
        self.memory: list[float] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._scrape, self._sample)]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """End."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _scrape(self) -> None:
        client = Client(self._port)
        self._repeat(lambda: self.scrapes.ask(client, SCRAPE, SCRAPE, _HEADERS), _SCRAPE_EVERY)
        client.close()

    def _sample(self) -> None:
        self._repeat(lambda: self.memory.append(resident_mb(self._pid)), _SAMPLE_EVERY)

    def _repeat(self, work: Callable[[], None], seconds: float) -> None:
        while not self._stop.is_set():
            work()
            self._stop.wait(seconds)


def resident_mb(pid: int) -> float:
    """Return what a process has in memory now, in MB of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"process {pid} has ended")
