"""Commands, settings and `doctor` with a store in PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from exporter.config import parse
from exporter.doctor.local import database
from exporter.errors import ConfigError
from exporter.store import open_store, shown
from exporter.store.postgres import schema
from tests.postgres_server import PASSWORD, Server

SECRETS = (PASSWORD, "p%40ss", "p@ss")


def run(repository: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the exporter's command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "exporter", *arguments],
        cwd=repository,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture
def configured(postgres: Server, tmp_path: Path, repository: Path) -> tuple[Path, str]:
    """Return a configuration that reads one file of records into a new store, and the store's URL."""
    url = postgres.place()
    record = {
        "eventVersion": "1.08", "eventTime": "2026-01-31T12:00:00Z", "eventSource": "ec2.amazonaws.com", "eventName": "DeleteSecurityGroup",
        "awsRegion": "us-east-1", "recipientAccountId": "111122223333", "eventID": "11111111-2222-4333-8444-555555555555", "readOnly": False,
        "userIdentity": {"type": "IAMUser", "accountId": "111122223333", "userName": "alice", "arn": "arn:aws:iam::111122223333:user/alice"},
        "sourceIPAddress": "192.0.2.7", "userAgent": "aws-cli/2.15.30", "eventType": "AwsApiCall", "managementEvent": True,
        "requestParameters": {"groupId": "sg-0123456789abcdef0"}, "responseElements": {"_return": True},
    }  # fmt: skip
    (tmp_path / "trail").mkdir()
    (tmp_path / "trail" / "records.json").write_text(json.dumps({"Records": [record]}))
    config = {
        "store": {"url": url},
        "sources": [{"type": "files", "path": str(tmp_path / "trail"), "live_since": "beginning"}],
        "posture": {"enabled": False},
    }
    (tmp_path / "exporter.yml").write_text(json.dumps(config))
    return tmp_path / "exporter.yml", url


def test_commands_work_on_it_and_show_no_password(configured: tuple[Path, str], repository: Path) -> None:
    """Whoever keeps the store in PostgreSQL asks it the same way."""
    file, url = configured
    option = f"--config.file={file}"
    missing = run(repository, "history", option)
    assert (missing.returncode, "store.url: there is no store at" in missing.stderr) == (2, True), missing.stderr
    said = [run(repository, "doctor", option), run(repository, "poll", option), run(repository, "history", option, "sg-0123456789abcdef0")]
    assert "no store yet; it can be created" in " ".join(said[0].stdout.split())
    assert said[1].returncode == 0, said[1].stderr
    assert "DeleteSecurityGroup" in said[2].stdout, said[2].stderr
    said.append(run(repository, "doctor", option))
    assert re.search(r"PostgreSQL \d+.*a store of ours, writable, schema version 1", " ".join(said[3].stdout.split()))
    for done in said:
        assert not any(secret in done.stdout + done.stderr for secret in SECRETS)
    assert shown(url) in said[0].stdout


def test_serve_keeps_its_store_there(configured: tuple[Path, str], repository: Path) -> None:
    """The one command that runs for months."""
    file, _ = configured
    command = [sys.executable, "-m", "exporter", "serve", f"--config.file={file}", "--web.listen-address=127.0.0.1:0", "--log.format=json"]
    with subprocess.Popen(command, cwd=repository, stderr=subprocess.PIPE, text=True) as serving:
        try:
            lines: list[str] = []
            for line in serving.stderr or ():
                lines.append(line)
                entry = json.loads(line)
                if entry["event"] == "change":
                    break
            address = next(entry["address"] for entry in map(json.loads, lines) if entry["event"] == "serving")
            where = address if address.startswith("http") else f"http://{address}"
            page = urllib.request.urlopen(f"{where}/api/v1/events", timeout=20).read().decode()
            assert "DeleteSecurityGroup" in page
        finally:
            serving.terminate()
            lines += serving.stderr or ()
    assert not any(secret in line for line in lines for secret in SECRETS)


def test_the_password_may_come_from_the_environment(configured: tuple[Path, str], repository: Path) -> None:
    """A configuration file without secrets can be shown to everybody."""
    file, url = configured
    file.write_text(file.read_text().replace(f":{url.split('@')[0].rpartition(':')[2]}@", "@"))
    assert run(repository, "poll", f"--config.file={file}", PGPASSWORD=PASSWORD).returncode == 0
    refused = run(repository, "poll", f"--config.file={file}", PGPASSWORD="wrong-words")
    assert (refused.returncode, "wrong-words" in refused.stderr) == (1, False)
    assert "check the user of store.url and its password" in refused.stderr


@pytest.mark.parametrize(
    ("store", "complaint"),
    [
        (
            "{path: a.db, url: 'postgresql://exporter@h/d'}",
            "x.yml: store: `path` and `url` are both given; keep `path` for SQLite, or `url` for PostgreSQL",
        ),
        (
            "{url: 'mysql://exporter:hush@h/d'}",
            "x.yml: store.url: must be the URL of a PostgreSQL database, such as postgresql://user@host:5432/database",
        ),
    ],
)
def test_a_wrong_setting_is_told_without_what_is_secret(store: str, complaint: str) -> None:
    """What is wrong with a URL may be that it is nearly right."""
    with pytest.raises(ConfigError) as caught:
        parse(f"store: {store}", "x.yml")
    assert str(caught.value).startswith(complaint)
    assert "hush" not in str(caught.value)


def test_the_settings_do_not_spell_the_password() -> None:
    """They are printed in assertions and traces."""
    config = parse("store: {url: 'postgresql://exporter:hush@h/d'}", "x.yml")
    assert config.store.where == "postgresql://exporter:hush@h/d"
    assert "hush" not in f"{config!r}{config.model_dump_json()}"


def test_doctor_finds_what_would_stop_a_poll_or_an_upgrade(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Better before the first poll than after."""
    url = postgres.place()
    name = url.rpartition("%3D")[2]
    superuser = postgres.url(database="exporter", options=f"-csearch_path={name}")
    assert database(url).status == "ok"
    postgres.execute(f"ALTER SCHEMA {name} OWNER TO postgres", f"GRANT USAGE ON SCHEMA {name} TO exporter", url=superuser)
    found = database(url)
    assert (found.status, f"GRANT CREATE, USAGE ON SCHEMA {name} TO exporter" in found.detail) == ("failure", True)
    open_store(superuser).close()
    found = database(url)
    assert (found.status, "permission denied" in found.detail, "grant the user" in found.detail) == ("failure", True, True)
    postgres.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {name} TO exporter", "REVOKE UPDATE ON events FROM exporter", url=superuser)
    found = database(url)
    assert (found.status, "exporter lacks UPDATE on the table events" in found.detail) == ("failure", True)
    postgres.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {name} TO exporter", url=superuser)
    assert database(url).status == "ok"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, *schema.MIGRATIONS))
    found = database(url)
    assert (found.status, found.detail.endswith("ownership of the table blocks is missing")) == ("failure", True)
    postgres.execute("UPDATE exporter_store SET version = 99", url=superuser)
    assert "newer version" in database(url).detail
    unreachable = database("postgresql://exporter:hush@127.0.0.1:1/exporter")
    assert (unreachable.status, "hush" in unreachable.detail) == ("failure", False)
