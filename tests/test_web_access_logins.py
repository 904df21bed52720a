"""Logins: right passwords pass at once, wrong ones cost the one who guesses, and nobody else."""

from __future__ import annotations

import base64
import threading

import bcrypt
import pytest

from exporter.web.access.logins import Login, Logins, Outcome

CLIENT = "192.0.2.1"


def header(user: str | bytes, password: str | bytes, scheme: str = "Basic") -> str:
    """Return the value of the header Authorization."""
    user, password = (text.encode() if isinstance(text, str) else text for text in (user, password))
    return f"{scheme} " + base64.b64encode(user + b":" + password).decode()


class Clock:
    """Time that a test turns."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Checks:
    """Counts checks by bcrypt; a password is right where it is the hash's own first letters."""

    def __init__(self) -> None:
        self.made: list[tuple[bytes, bytes]] = []

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        self.made.append((password, hashed))
        return hashed == b"hash of " + password


USERS = {"alice": "hash of wonder", "bob": "hash of builder"}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def checks():
    return Checks()


@pytest.fixture
def logins(clock, checks):
    return Logins(clock, checks)


@pytest.mark.parametrize("form", ["2a", "2b", "2y"])
def test_hashes_of_every_tool_are_understood(form):
    """htpasswd writes $2y$, Python $2b$, older tools $2a$."""
    hashed = bcrypt.hashpw("pässword".encode(), bcrypt.gensalt(4)).decode().replace("$2b$", f"${form}$")
    logins = Logins()
    assert logins.login({"ålice": hashed}, header("ålice", "pässword"), CLIENT) == Login(Outcome.RIGHT)
    assert logins.login({"ålice": hashed}, header("ålice", "password"), CLIENT) == Login(Outcome.WRONG)


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (None, Outcome.MISSING),
        ("", Outcome.WRONG),
        ("Bearer abc", Outcome.WRONG),
        ("Basic", Outcome.WRONG),
        ("Basic %%%", Outcome.WRONG),
        ("Basic " + base64.b64encode(b"no colon").decode(), Outcome.WRONG),
        (header("alice", "x" * 73), Outcome.WRONG),
        (header("a" * 257, "wonder"), Outcome.WRONG),
        (header(b"\xff", b"\0"), Outcome.WRONG),
        (header("alice", "wonder", "bAsIc"), Outcome.RIGHT),
        (header("alice", ""), Outcome.WRONG),
        (header("alice", "builder"), Outcome.WRONG),
        (header("carol", "wonder"), Outcome.WRONG),
        (header("carol", "builder"), Outcome.WRONG),
        (header("", "wonder"), Outcome.WRONG),
    ],
)
def test_a_login_passes_by_its_own_password_only(logins, authorization, expected):
    """Neither by another's, nor by that of a user who is not there, nor by what is no login at all."""
    for _ in range(2):  # from the check, and from memory
        assert logins.login(USERS, authorization, CLIENT).outcome is expected


def test_a_password_of_more_than_72_bytes_is_not_cut():
    """bcrypt would read the first 72 alone, and any end would do."""
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert Logins().login({"alice": hashed}, header("alice", "x" * 72), CLIENT).outcome is Outcome.RIGHT
    assert Logins().login({"alice": hashed}, header("alice", "x" * 72 + "y"), CLIENT).outcome is Outcome.WRONG


def test_what_was_verified_is_not_checked_again_while_it_is_used(logins, checks, clock):
    """A check takes a tenth of a second of CPU, and a scrape comes every few seconds."""
    for _ in range(1000):
        assert logins.login(USERS, header("alice", "wonder"), CLIENT).outcome is Outcome.RIGHT
        clock.at += 3000
    assert len(checks.made) == 1
    clock.at += 3601
    assert logins.login(USERS, header("alice", "wonder"), CLIENT).outcome is Outcome.RIGHT
    assert len(checks.made) == 2


def test_a_new_password_ends_the_old_one_at_once(logins):
    """Whoever changes a password does it because the old one is known."""
    assert logins.login(USERS, header("alice", "wonder"), CLIENT).outcome is Outcome.RIGHT
    assert logins.login({"alice": "hash of new"}, header("alice", "wonder"), CLIENT).outcome is Outcome.WRONG
    assert logins.login({"bob": "hash of wonder"}, header("alice", "wonder"), CLIENT).outcome is Outcome.WRONG


def test_an_unknown_user_costs_the_same_check_as_one_that_there_is(logins, checks):
    """Otherwise the time of the answer tells which users there are."""
    logins.login(USERS, header("carol", "a"), CLIENT)
    logins.login(USERS, header("alice", "a"), CLIENT)
    assert len(checks.made) == 2
    assert checks.made[0][1].decode() in USERS.values()


def test_guesses_are_rationed_by_address_and_right_passwords_are_not(logins, checks, clock):
    """One who guesses must neither go on nor keep the others out."""
    for number in range(10):
        assert logins.login(USERS, header("alice", f"guess{number}"), CLIENT).outcome is Outcome.WRONG
    refused = logins.login(USERS, header("alice", "guess"), CLIENT)
    assert refused.outcome is Outcome.TOO_OFTEN
    assert 0 < refused.wait <= 5
    assert len(checks.made) == 10
    assert logins.login(USERS, header("alice", "wonder"), "192.0.2.2").outcome is Outcome.RIGHT
    # The pair is known by now, so that it passes from the address of the one who guesses as well.
    assert logins.login(USERS, header("alice", "wonder"), CLIENT).outcome is Outcome.RIGHT
    clock.at += 5
    assert logins.login(USERS, header("alice", "guess"), CLIENT).outcome is Outcome.WRONG


def test_the_same_wrong_password_again_costs_no_check(logins, checks):
    """A Prometheus with an old password asks for days."""
    for _ in range(100):
        assert logins.login(USERS, header("alice", "old"), CLIENT).outcome is Outcome.WRONG
    assert len(checks.made) == 1


def test_a_flood_from_many_addresses_holds_few_threads_and_no_known_login(checks):
    """Each check holds a thread; those who are known must not wait behind strangers."""
    entered, release = threading.Semaphore(0), threading.Event()

    def check(password: bytes, hashed: bytes) -> bool:
        if password.startswith(b"guess"):
            entered.release()
            release.wait(10)
        return checks(password, hashed)

    logins = Logins(check=check)
    assert logins.login(USERS, header("alice", "wonder"), CLIENT).outcome is Outcome.RIGHT
    outcomes: list[Outcome] = []
    strangers = [
        threading.Thread(target=lambda n=n: outcomes.append(logins.login(USERS, header("alice", f"guess{n}"), f"198.51.100.{n}").outcome))
        for n in range(40)
    ]
    for stranger in strangers:
        stranger.start()
    try:
        assert entered.acquire(timeout=5)
        assert logins.login(USERS, header("alice", "wonder"), CLIENT).outcome is Outcome.RIGHT
        assert not entered.acquire(blocking=False), "one check at a time"
    finally:
        release.set()
        for stranger in strangers:
            stranger.join(10)
    assert outcomes.count(Outcome.TOO_OFTEN) >= 30
