"""The door of the application: who passes, who is turned away, and that either is counted."""

from __future__ import annotations

import base64
import io
import re
import threading
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bcrypt
import pytest

from exporter.config import WebSettings
from exporter.logs import make_logger
from exporter.metrics.table import REFUSALS
from exporter.metrics.telemetry import Telemetry
from exporter.web.access import Access, Guard
from exporter.web.app import make_app
from exporter.web.http import Request, Response, Route, text

ALICE = {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(b"alice:wonder").decode()}
USERS = f"basic_auth_users:\n  alice: {bcrypt.hashpw(b'wonder', bcrypt.gensalt(4)).decode()}\n"


class Site:
    """The application behind its guard."""

    def __init__(self, directory: Path, web_file: str = "", **switches: Any) -> None:
        file = directory / "web.yml"
        file.write_text(web_file)
        self.file, self.log = file, io.StringIO()
        self.switches = WebSettings(**switches)
        self.telemetry = Telemetry()
        service: Any = SimpleNamespace(log=make_logger("info", "json", self.log), telemetry=self.telemetry)
        self.access = Access(file, service.log)
        self.entered, self.release = threading.Semaphore(0), threading.Event()
        routes = [
            *[Route(path, self.fine) for path in ("/", "/metrics", "/-/healthy", "/-/ready")],
            Route("/-/reload", self.fine, ("POST", "PUT")),
            Route("/history", self.fine, searches=True),
            Route("/slow", self.slow, searches=True),
            Route("/group/{name}", self.fine),
            Route("/file.css", lambda _: text(HTTPStatus.OK, "fine", (("Cache-Control", "max-age=60, immutable"),))),
            Route(
                "/api", self.fine, searches=True, refuse=lambda status, said, headers: Response(status, said.encode(), "problem", headers)
            ),
        ]
        self._app = make_app(service, routes, Guard(self.access, lambda: self.switches, self.telemetry.http_refused, service.log))

    def fine(self, _request: Request) -> Response:
        """Answer."""
        return text(HTTPStatus.OK, "fine", (("Cache-Control", "max-age=60"),))

    def slow(self, request: Request) -> Response:
        """Answer when it is told to."""
        self.entered.release()
        assert self.release.wait(10)
        return self.fine(request)

    def ask(
        self, path: str, method: str = "GET", address: str = "192.0.2.1", query: str = "", **environ: str
    ) -> tuple[int, dict[str, str]]:
        """Return status and headers."""
        seen: list[Any] = []
        given = {"REQUEST_METHOD": method, "REQUEST_URI": path, "REMOTE_ADDR": address, "QUERY_STRING": query, "HTTP_HOST": "localhost:1"}
        body = b"".join(self._app(given | environ, lambda *answer: seen.append(answer)))
        (status, headers) = seen[0]
        assert method != "HEAD" or not body
        assert len({name.lower() for name, _ in headers}) == len(headers), "no header stands twice"
        return int(status[:3]), dict(headers)

    def refused(self) -> dict[str, int]:
        """Return what was counted, by reason."""
        found = re.findall(r'http_requests_refused_total\{reason="(\w+)"\} ([0-9.]+)', self.telemetry.text(openmetrics=False).decode())
        return {reason: int(float(number)) for reason, number in found if float(number)}


def test_without_users_everybody_may_ask(tmp_path):
    """As before there was such a file."""
    site = Site(tmp_path)
    status, headers = site.ask("/")
    assert status == 200
    assert headers["Cache-Control"] == "max-age=60"
    assert site.refused() == {}


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/history", "/group/x", "/not-there"])
def test_with_users_every_path_asks_for_a_login(tmp_path, path):
    """One forgotten path is an open door, and which paths there are is nobody's business."""
    site = Site(tmp_path, USERS)
    status, headers = site.ask(path)
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="aws-change-exporter", charset="UTF-8"')
    assert site.ask(path, "HEAD")[0] == 401
    assert site.ask(path, HTTP_AUTHORIZATION="Basic YTpi")[0] == 401
    status, headers = site.ask(path, **ALICE)
    assert status == (404 if path == "/not-there" else 200)
    assert headers["Cache-Control"] == "no-store", "what needs a login is kept nowhere"
    assert site.refused() == {"no_credentials": 2, "wrong_credentials": 1}


def test_files_that_never_change_may_be_kept_and_programs_are_refused_in_their_own_words(tmp_path):
    """A page would load its style sheet anew at each click; and a client of the API reads JSON only."""
    site = Site(tmp_path, USERS)
    assert site.ask("/file.css", **ALICE)[1]["Cache-Control"] == "max-age=60, immutable"
    status, headers = site.ask("/api")
    assert (status, headers["Content-Type"], "WWW-Authenticate" in headers) == (401, "problem", True)


def test_reload_needs_a_login_whatever_the_switches_say(tmp_path):
    """It is the one request that changes something."""
    site = Site(tmp_path, USERS, metrics_without_login=True, health_without_login=True)
    assert site.ask("/-/reload", "POST")[0] == 401
    assert site.ask("/-/reload", "POST", **ALICE)[0] == 200


@pytest.mark.parametrize(
    ("switches", "opened"),
    [
        ({"metrics_without_login": True}, {"/metrics"}),
        ({"health_without_login": True}, {"/-/healthy", "/-/ready"}),
    ],
)
def test_each_switch_opens_its_own_paths_and_no_other(tmp_path, switches, opened):
    """Probes cannot log in, and not every Prometheus should have to; the history stays closed."""
    site = Site(tmp_path, USERS, **switches)
    paths = {"/", "/metrics", "/metrics/", "/-/healthy", "/-/ready", "/history", "/group/metrics", "//metrics"}
    assert {path for path in paths if site.ask(path)[0] == 200} == opened
    site.switches = WebSettings()
    assert site.ask(*opened & {"/metrics", "/-/ready"})[0] == 401, "a reload of the configuration closes them again"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"HTTP_ORIGIN": "http://localhost:1"}, 200),
        ({"HTTP_ORIGIN": "https://changes.example.com"}, 200),
        ({"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "http://localhost:1"}, 200),
        ({"HTTP_ORIGIN": "https://evil.example.net"}, 403),
        ({"HTTP_ORIGIN": "http://localhost:2"}, 403),
        ({"HTTP_ORIGIN": "null"}, 403),
        ({"HTTP_ORIGIN": "http://[broken"}, 403),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, 403),
        ({"HTTP_SEC_FETCH_SITE": "same-site", "HTTP_ORIGIN": "http://localhost:1"}, 403),
    ],
)
def test_a_page_of_another_site_cannot_act_in_a_readers_name(tmp_path, headers, status):
    """The browser would send the login that it remembers along with the other page's request."""
    site = Site(tmp_path, USERS, external_url="https://changes.example.com/x")
    assert site.ask("/-/reload", "POST", **ALICE, **headers)[0] == status
    assert site.refused() == ({"cross_site": 1} if status == 403 else {})
    assert site.ask("/", **ALICE, **headers)[0] == 200, "links from elsewhere lead in"


def test_searches_are_limited_by_address_and_scrapes_never(tmp_path):
    """One who asks in a loop must not slow down the others, and nothing may stop Prometheus."""
    site = Site(tmp_path, search_rate=0.001, search_burst=3)
    assert [site.ask("/history")[0] for _ in range(5)] == [200, 200, 200, 429, 429]
    assert int(site.ask("/history")[1]["Retry-After"]) > 0
    assert site.ask("/history", address="192.0.2.2")[0] == 200
    assert site.ask("/history", HTTP_X_FORWARDED_FOR="192.0.2.3")[0] == 429, "anybody can write that header"
    assert {site.ask("/metrics")[0] for _ in range(100)} == {200}
    assert site.refused() == {"search_rate": 4}
    site.switches = WebSettings(search_rate=0)
    assert {site.ask("/history")[0] for _ in range(10)} == {200}


def test_searches_beyond_a_few_at_once_are_told_to_come_again(tmp_path):
    """They hold threads, and a scrape needs one."""
    site = Site(tmp_path, search_rate=0)
    answers: list[tuple[int, dict[str, str]]] = []
    threads = [threading.Thread(target=lambda: answers.append(site.ask("/slow"))) for _ in range(14)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        assert site.entered.acquire(timeout=5)
    try:
        assert site.ask("/metrics")[0] == 200
        for _ in range(500):  # 12 have a place or wait for one; the other two, and later those that waited, are refused
            if len(answers) == 6:
                break
            threading.Event().wait(0.02)
        assert [status for status, _ in answers] == [503] * 6
        assert answers[0][1]["Retry-After"] == "2"
        assert not site.entered.acquire(blocking=False)
    finally:
        site.release.set()
        for thread in threads:
            thread.join(10)
    assert sorted(status for status, _ in answers) == [200] * 8 + [503] * 6
    assert site.refused() == {"busy": 6}


def test_the_rate_limit_of_the_file_holds_for_every_path_as_in_the_toolkit(tmp_path):
    """Whoever writes it there expects what node_exporter does with it."""
    site = Site(tmp_path, "rate_limit:\n  interval: 1h\n  burst: 2\n")
    assert [site.ask("/metrics")[0] for _ in range(3)] == [200, 200, 429]
    assert site.ask("/", address="192.0.2.2")[0] == 429
    assert site.refused() == {"rate_limit": 2}


def test_a_query_string_that_is_too_long_is_refused(tmp_path):
    """Before anybody takes it apart."""
    site = Site(tmp_path)
    assert site.ask("/history", query="a" * 4096)[0] == 200
    assert site.ask("/history", query="a" * 4097)[0] == 414
    assert site.refused() == {"query": 1}


def test_headers_of_the_file_stand_on_every_answer_in_place_of_ours(tmp_path):
    """The file's own are what the site wants; a blank leaves ours."""
    headers = "X-Frame-Options: sameorigin\n    X-XSS-Protection: '0'\n    Content-Security-Policy: ''\n    Strict-Transport-Security: max-age=60\n"
    site = Site(tmp_path, f"http_server_config:\n  headers:\n    {headers}")
    for path in ("/", "/not-there", "/-/reload"):
        found = site.ask(path)[1]
        assert found["X-Frame-Options"] == "sameorigin"
        assert found["X-XSS-Protection"] == "0"
        assert found["Strict-Transport-Security"] == "max-age=60"
        assert found["Content-Security-Policy"].startswith("default-src 'none'")
        assert found["X-Content-Type-Options"] == "nosniff"


def test_wrong_passwords_are_logged_by_the_minute_and_without_a_word_of_what_was_sent(tmp_path):
    """Somebody should know of them; and what was sent may be a password in the place of the user."""
    site = Site(tmp_path, USERS)
    for number in range(5):
        secret = base64.b64encode(f"hunter{number}:hunter".encode()).decode()
        site.ask("/", HTTP_AUTHORIZATION=f"Basic {secret}")
        site.ask("/")
    (line,) = site.log.getvalue().splitlines()
    assert '"reason":"wrong_credentials","last_from":"192.0.2.1"' in line
    assert "hunter" not in site.log.getvalue()


def test_requests_are_counted_by_pattern_never_by_path(tmp_path):
    """Whoever asks for made-up paths must not make series."""
    site = Site(tmp_path)
    for path in ("/group/a", "/group/b", "/wp-login.php", "/.env"):
        site.ask(path)
    site.ask("/-/reload")
    counted = re.findall(r"http_requests_total\{(.*)\} (\S+)", site.telemetry.text(openmetrics=False).decode())
    assert counted == [
        ('handler="/group/{name}",code="200"', "2"),
        ('handler="other",code="404"', "2"),
        ('handler="/-/reload",code="405"', "1"),
    ]


def test_every_reason_is_there_from_the_start():
    """An alert on a counter that appears with its first case misses that case."""
    text_ = Telemetry().text(openmetrics=False).decode()
    assert re.findall(r'http_requests_refused_total\{reason="(\w+)"\} 0', text_) == list(REFUSALS)


def test_a_changed_file_is_in_force_soon_and_a_broken_one_never(tmp_path):
    """A password that was changed must stop working; a slip must not open the door, nor close it."""
    site = Site(tmp_path, USERS)
    told: list[bool] = []
    site.access.tell(told.append)
    site.access.look()
    assert told == [True], "nothing has changed"
    site.file.write_text(USERS.replace("alice", "carol"))
    site.access.look()
    assert site.ask("/", **ALICE)[0] == 401
    site.file.write_text("basic_auth_users: [")
    site.access.look()
    site.access.look()
    assert told == [True, True, False], "a file that is wrong is read once, not at every look"
    assert site.ask("/", **ALICE)[0] == 401
    assert not site.access.reload()
    site.file.unlink()
    site.access.look()
    assert told[-1] is False
    assert site.ask("/", **ALICE)[0] == 401
    site.file.write_text(USERS)
    site.access.look()
    assert told[-1] is True
    assert site.ask("/", **ALICE)[0] == 200
    assert site.log.getvalue().count("web configuration not reloaded") == 3
