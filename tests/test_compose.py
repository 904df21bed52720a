"""The Compose file: confined containers on loopback, pinned images, and mounts that are there and are valid."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from exporter.config import load
from exporter.demo import stand_in
from exporter.sources import SOURCES
from sandbox.acting import world_of
from tests import compose_file
from tests.repository import ROOT
from tools.compose_files import compose_alertmanager, compose_prometheus

DOCUMENT = compose_file.document()
SERVICES = DOCUMENT["services"]
EACH = pytest.mark.parametrize("name", SERVICES)
HOME = "sandbox:5000"


def test_the_services_are_those_that_the_page_names():
    """Otherwise the page promises a Grafana that nobody starts."""
    assert set(SERVICES) == {"sandbox", "exporter", "prometheus", "alertmanager", "grafana"}
    page = (ROOT / "docs/compose.md").read_text(encoding="utf-8")
    ports = {port.rsplit(":", 1)[0] for service in SERVICES.values() for port in service["ports"]}
    assert set(re.findall(r"http://(127\.0\.0\.1:\d+)", page)) == ports


@EACH
def test_a_container_is_confined(name):
    """Otherwise a hole in one of five programs is a hole in the laptop."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & service.keys()
    user, _, _group = service["user"].partition(":")
    assert int(user) > 0


@EACH
def test_a_port_is_published_on_loopback_only(name):
    """Otherwise everybody in the same coffee house reads along, and none of it has a login."""
    assert [port for port in SERVICES[name]["ports"] if not re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)] == []


@EACH
def test_a_container_says_whether_it_is_well(name):
    """Otherwise `up --wait` returns before anything answers."""
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= check.keys()


@EACH
def test_an_image_is_pinned_or_built_here(name):
    """Otherwise tomorrow's `latest` is another program than the one that was tried."""
    service = SERVICES[name]
    if "build" not in service:
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?", service["image"])
    else:
        context = (compose_file.PATH.parent / service["build"]["context"]).resolve()
        assert context == ROOT
        assert service["image"].endswith(":local")


@EACH
def test_every_mount_is_there_and_cannot_be_written(name):
    """Docker makes an empty directory of a file that is missing, and Prometheus then says that its rules are a directory."""
    for mount in compose_file.mounts(SERVICES[name]):
        if mount.path is None:
            assert mount.source in DOCUMENT["volumes"]
        else:
            assert mount.path.is_relative_to(ROOT)
            assert mount.path.exists(), mount.source
            assert mount.mode == "ro", mount.source


def test_everything_that_a_command_reads_is_mounted():
    """Otherwise a program starts with the configuration of its image, or not at all."""
    for name, service in SERVICES.items():
        targets = {mount.target for mount in compose_file.mounts(service)}
        named = {word.partition("=")[2] for word in service.get("command", ()) if "=/" in word}
        assert named <= targets, name


def test_the_store_is_where_the_exporter_may_write():
    """A tmpfs takes owner and rights of the directory that it covers: over that of the image, which is the exporter's alone, only root writes."""
    store = load(compose_file.PATH.parent / "exporter.yml").store.path
    assert str(Path(store).parent) == "/tmp"
    assert SERVICES["exporter"]["tmpfs"] == ["/tmp"]


def test_grafana_gets_all_that_it_provisions():
    """Otherwise it comes up empty, or its dashboards ask a data source that is not there."""
    service = SERVICES["grafana"]
    targets = {mount.target: mount.path for mount in compose_file.mounts(service)}
    provider = yaml.safe_load(targets["/etc/grafana/provisioning/dashboards/aws-change-exporter.yml"].read_text())["providers"][0]
    boards = targets[provider["options"]["path"]]
    assert {path.name for path in boards.glob("*.json")} == {path.name for path in (ROOT / "grafana").glob("*.json")}
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (boards / Path(home).relative_to(provider["options"]["path"])).is_file()
    source = targets["/etc/grafana/provisioning/datasources/prometheus.yml"].read_text()
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)\}", source))
    assert asked
    assert asked <= service["environment"].keys()


def test_the_exporter_is_configured_for_the_world_of_the_sandbox():
    """Otherwise it asks for a queue or a role that nobody made, and shows nothing but failures."""
    path = compose_file.PATH.parent / "exporter.yml"
    load(path)
    written = yaml.safe_load(path.read_text())
    expires = written["posture"]["exceptions"][0]["expires"]
    wanted = stand_in.settings(world_of("111122223333").described(f"http://{HOME}"), f"http://{HOME}", tuple(SOURCES), expires)
    # Where AWS is stands in the environment, for the commands that people run in the container too.
    assert SERVICES["exporter"]["environment"]["AWS_ENDPOINT_URL"] == wanted["aws"].pop("endpoint_url")
    wanted["posture"]["exceptions"][0]["expires"] = expires
    assert {name: written[name] for name in wanted} == wanted
    assert (
        f"--identity={SERVICES['exporter']['environment']['AWS_ACCESS_KEY_ID']}=user/aws-change-exporter" in SERVICES["sandbox"]["command"]
    )


def test_an_example_that_changed_its_shape_is_no_configuration_of_containers(tmp_path):
    """Otherwise Prometheus of the Compose file would scrape itself, and Alertmanager send mail from a laptop."""
    (tmp_path / "prometheus.yml").write_text("# head\nscrape_configs: []\n")
    with pytest.raises(ValueError, match="localhost:9093 stands there 0 times"):
        compose_prometheus(tmp_path)
    (tmp_path / "alertmanager.yml").write_text("# head\nreceivers: []\n")
    with pytest.raises(ValueError, match="no section `receivers`"):
        compose_alertmanager(tmp_path)


@pytest.mark.e2e
def test_prometheus_and_alertmanager_accept_what_is_mounted(tmp_path, program):
    """Otherwise one of them ends at its start, and `up --wait` says no more than that."""
    for name in ("prometheus", "alertmanager"):
        compose_file.lay_out(SERVICES[name], tmp_path, {})
    checks = (
        (program("promtool"), "check", "config", tmp_path / "etc/prometheus/prometheus.yml"),
        (program("amtool"), "check-config", tmp_path / "etc/alertmanager/alertmanager.yml"),
    )
    for command in checks:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout


def test_the_sandbox_image_holds_all_that_the_sandbox_imports():
    """Otherwise the stand-in for AWS ends with ModuleNotFoundError, in a container where nobody can look."""
    copied = set(re.findall(r"^COPY (\w+) /srv/sandbox/\1$", (compose_file.PATH.parent / "sandbox.Dockerfile").read_text(), re.MULTILINE))
    program = (
        "import sys, json; import sandbox.cli, sandbox.server, sandbox.athena_duck, sandbox.acting\n"
        f"print(json.dumps(sorted(n for n, m in sys.modules.items() if '.' not in n and (getattr(m, '__file__', None) or '').startswith({str(ROOT)!r} + '/')"
        " and 'site-packages' not in m.__file__)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert copied == set(json.loads(done.stdout)) == {"exporter", "sandbox"}
