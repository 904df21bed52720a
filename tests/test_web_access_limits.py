"""Token buckets and turnstiles: generous to one who behaves, bounded whatever comes."""

from __future__ import annotations

import threading

import pytest

from exporter.web.access.buckets import Buckets, client_of
from exporter.web.access.turnstile import Turnstile
from exporter.web.quiet import Quiet


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
    ],
)
def test_a_client_is_an_address_of_ipv4_or_a_64_of_ipv6(address, client):
    """A machine has a whole /64, and would otherwise be as many clients as it likes."""
    assert client_of(address) == client


def test_a_bucket_gives_its_burst_and_then_its_rate():
    """A page loads many things at once; a script goes on for ever."""
    at = [0.0]
    buckets = Buckets(lambda: at[0])
    assert [buckets.take("a", 2, 3) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b", 2, 3) == 0, "another client has a bucket of its own"
    at[0] += 0.5
    assert [buckets.take("a", 2, 3) for _ in range(2)] == [0, 0.5]
    at[0] += 1000
    assert [buckets.take("a", 2, 3) for _ in range(4)] == [0, 0, 0, 0.5]
    buckets.give_back("a")
    assert [buckets.take("a", 2, 3) for _ in range(2)] == [0, 0.5]
    assert buckets.take("a", 0, 3) == 0, "a rate of 0 is no limit"


def test_the_memory_of_buckets_is_bounded():
    """Addresses are free for those who have a network."""
    buckets = Buckets(lambda: 0.0, most=10)
    for number in range(1000):
        buckets.take(str(number), 1, 1)
    assert len(buckets) == 10


def test_a_turnstile_lets_so_many_in_and_the_rest_wait_shortly_or_not_at_all():
    """Threads that wait for a search are threads that answer no scrape."""
    turnstile = Turnstile(most=1, waiting=1, patience=0.05)
    entered, release, let_in = threading.Event(), threading.Event(), []

    def hold() -> None:
        with turnstile.turn() as first:
            let_in.append(first)
            entered.set()
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert entered.wait(5)
        with turnstile.turn() as second:
            assert not second
    finally:
        release.set()
        holder.join(10)
    with turnstile.turn() as third:
        assert third
    assert let_in == [True]


def test_a_fault_leaves_the_turnstile_open():
    """Otherwise eight faults would end all searches until the next start."""
    turnstile = Turnstile(most=1, waiting=0, patience=0)

    def fail() -> None:
        with turnstile.turn() as let_in:
            assert let_in
            raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fail()


def test_strangers_cause_few_lines():
    """A scanner that asks a thousand times must not fill the disk, nor be passed over in silence."""
    at = [0.0]
    quiet = Quiet(lambda: at[0])
    assert [quiet.passes("tls") for _ in range(4)] == [0, None, None, None]
    assert quiet.passes("timeout") == 0
    at[0] = 60.0
    assert quiet.passes("tls") == 3
