"""The container image, built and run for real: no root, nothing to write on but its volume, and what it says of itself is true."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bcrypt
import pytest

import exporter
from tests.certificates import Authority
from tests.containers import PROGRAMS, SCRIPT, TAG, Container, Images
from tests.records import authorize, write_trail
from tests.repository import ROOT
from tests.sandbox_client import KEY, REGION

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

OPENED = 'awschange_ingress_opened_total{account_id="111122223333",region="us-east-1",port_class="admin"'
CONFIG = "/etc/aws-change-exporter/config.yml"
SITE = "/opt/aws-change-exporter/lib"


@pytest.fixture(scope="module")
def images(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """Build the image, or take the one that CI has built already; skip where the machine makes no containers at all."""
    for name in PROGRAMS:
        program(name)
    possible = subprocess.run([SCRIPT, "check"], capture_output=True, text=True, check=False, timeout=60)
    if possible.returncode == 3:
        pytest.skip(possible.stderr.strip())
    assert possible.returncode == 0, possible.stderr
    if built := os.environ.get("EXPORTER_IMAGES"):
        yield Images(Path(built))
        return
    directory = tmp_path_factory.mktemp("images")
    try:
        done = subprocess.run([SCRIPT, "build", directory], capture_output=True, text=True, check=False, timeout=800)
        assert done.returncode == 0, done.stdout + done.stderr
        yield Images(directory)
    finally:
        subprocess.run([SCRIPT, "remove", directory], check=True, timeout=120)


@pytest.fixture
def start(images: Images) -> Iterator[Callable[..., Container]]:
    """Return a function that starts a container; all of them are gone at the end."""
    begun: list[Container] = []

    def run(*options: str, **more: Any) -> Container:
        container = Container(images, f"exporter-{len(begun)}", *options, **more)
        begun.append(container)
        return container

    yield run
    for container in begun:
        container.remove()


def mounted(directory: Path, config: dict[str, Any]) -> tuple[str, ...]:
    """Write a configuration and an empty trail, and return the options that mount both."""
    trail = directory / "trail"
    trail.mkdir(exist_ok=True)
    trail.chmod(0o755)
    path = directory / "config.yml"
    path.write_text(json.dumps({"store": {"path": "/var/lib/aws-change-exporter/state.db"}, "metrics": {"birth_hold": "0s"}} | config))
    path.chmod(0o644)
    return f"--volume={path}:{CONFIG}:ro", f"--volume={trail}:/trail:ro"


FILES = {"sources": [{"type": "files", "path": "/trail", "poll_interval": "500ms"}]}


def test_the_image_watches_aws_without_root_and_without_a_place_to_write(images, start, sandbox, ec2, tmp_path):
    """Otherwise a cluster that forbids root, capabilities and writable roots, as it should, cannot run it."""
    config = {
        "aws": {"endpoint_url": sandbox.url},
        "sources": [{"type": "cloudtrail", "poll_interval": "1s", "backfill": "0s"}],
    }
    container = start(
        *mounted(tmp_path, config),
        f"--env=AWS_ACCESS_KEY_ID={KEY}",
        "--env=AWS_SECRET_ACCESS_KEY=example",
        f"--env=AWS_DEFAULT_REGION={REGION}",
    )
    container.ready()
    container.until(lambda: container.value(OPENED) == 0, "the unit was polled")
    group = ec2.create_security_group(GroupName="web", Description="d")["GroupId"]
    anywhere = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=anywhere)
    container.until(lambda: container.value(OPENED) == 1, "the change is counted")
    status = dict(line.split(":\t", 1) for line in container.podman("exec", "cat", "/proc/1/status").stdout.splitlines())
    assert status["Uid"].split() == ["65532"] * 4
    assert status["Gid"].split() == ["65532"] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    for place in ("/", "/tmp", "/opt/aws-change-exporter", "/etc/aws-change-exporter"):
        assert container.podman("exec", "touch", f"{place}/written", check=False).returncode != 0, place
    assert container.health() == (0, "healthy: 200 AWS Change Exporter is Healthy.")


def test_sigterm_ends_the_container_in_time_and_its_volume_keeps_the_counts(start, tmp_path):
    """Otherwise each rollout waits for a kill, or begins to count anew."""
    container = start(*mounted(tmp_path, FILES))
    container.ready()
    write_trail(tmp_path / "trail" / "a.json", authorize(1, eventName="DescribeInstances", readOnly=True))
    container.until(lambda: container.value(OPENED) == 0, "the unit is known")
    write_trail(tmp_path / "trail" / "b.json", authorize(2, when=datetime.now(UTC)))
    container.until(lambda: container.value(OPENED) == 1, "the change is counted")
    begin = time.monotonic()
    container.podman("stop --time 20")
    assert time.monotonic() - begin < 5
    assert container.podman("inspect --format {{.State.ExitCode}}").stdout.strip() == "0", container.log()
    container.podman("start")
    container.ready()
    assert container.value(OPENED) == 1


def test_the_health_check_goes_through_tls_and_logins_and_fails_where_nothing_answers(start, tmp_path):
    """Otherwise an exporter behind TLS is restarted for ever, or one that hangs is not restarted."""
    Authority(tmp_path).server()
    web = tmp_path / "web.yml"
    users = {"prometheus": bcrypt.hashpw(b"prometheus", bcrypt.gensalt(4)).decode()}
    web.write_text(json.dumps({"tls_server_config": {"cert_file": "server.crt", "key_file": "server.key"}, "basic_auth_users": users}))
    names = ("web.yml", "server.crt", "server.key")
    for name in names:
        (tmp_path / name).chmod(0o644)
    container = start(
        *mounted(tmp_path, FILES),
        *(f"--volume={tmp_path / name}:/etc/web/{name}:ro" for name in names),
        "--env=AWS_CHANGE_EXPORTER_WEB_CONFIG=/etc/web/web.yml",
    )
    container.until(lambda: container.health()[0] == 0, "the health check passes")
    status, said = container.health()
    assert status == 0
    assert said.startswith("healthy: 401 ")
    container.podman("kill --signal STOP")
    status, said = container.health()
    assert status != 0
    assert said.startswith("unhealthy: ")


def test_a_wrong_configuration_is_said_and_ends_the_container(start, tmp_path):
    """Otherwise it restarts for ever and nobody is told why."""
    container = start(*mounted(tmp_path, {"sources": [{"type": "files"}]}))
    container.until(lambda: not container.running(), "the container ends")
    assert f"{CONFIG}: sources[0].path: is required" in container.log()
    assert container.podman("inspect --format {{.State.ExitCode}}").stdout.strip() == "2"


def test_the_image_answers_questions_over_files(images, tmp_path):
    """Otherwise an investigator finds out in the incident that the image lacks what `query` needs, or room for it."""
    options = mounted(tmp_path, FILES)
    write_trail(tmp_path / "trail" / "a.json.gz", authorize(1))
    out = images.run(
        "query", "--name", "group-events", "--param=group=sg-0123456789abcdef0", "--path", "/trail", "--format", "ndjson", options=options
    )
    assert [json.loads(line)["eventname"] for line in out.splitlines()] == ["AuthorizeSecurityGroupIngress"]


def test_the_image_has_nothing_to_build_or_install_python_with_and_nothing_that_becomes_root(images):
    """Otherwise whoever gets in finds his tools there."""
    tools = ("pip", "pip3", "gcc", "cc", "make", "git", "curl", "wget")
    assert images.run("-c", f"for tool in {' '.join(tools)}; do command -v $tool; done; true", entrypoint="/bin/sh") == ""
    program = "import importlib.util as u; print([n for n in ('pip', 'ensurepip', 'setuptools', 'hatchling', 'pytest', 'exporter') if u.find_spec(n)])"
    assert images.run("-c", program, entrypoint="python").strip() == "['exporter']"
    assert images.run("-c", "find / -xdev -type f -perm /6000 2>/dev/null; true", entrypoint="/bin/sh") == ""


def test_the_image_says_what_it_is_and_how_it_is_run(images):
    """Otherwise nobody can tell which source an image was made from, and Kubernetes cannot tell that it is not root."""
    config = images.inspect()["Config"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["title"] == "aws-change-exporter"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"] == exporter.__version__
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    assert labels["revision"] == (revision or "unknown")
    assert (config["User"], config["WorkingDir"]) == ("65532:65532", "/var/lib/aws-change-exporter")
    assert config["StopSignal"] in ("15", "SIGTERM")  # podman's versions spell it in their own ways
    assert (config["Entrypoint"], config["Cmd"]) == (["aws-change-exporter"], ["serve"])
    assert list(config["Volumes"]) == ["/var/lib/aws-change-exporter"]
    assert images.run("--version").strip().endswith(exporter.__version__)


def test_the_bill_of_materials_names_what_is_there_and_nothing_else(images):
    """Otherwise a scanner of the bill misses the one package with the hole, or reports one that is not there."""
    bill = json.loads(images.run("/usr/share/aws-change-exporter/sbom.cdx.json", entrypoint="/bin/cat"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    root = bill["metadata"]["component"]
    assert (root["name"], root["version"]) == ("aws-change-exporter", exporter.__version__)
    listed = {(one["purl"].split("/")[0], one["name"], one["version"]) for one in [*bill["components"], root]}
    packages = images.run("--show", "--showformat=${Package} ${Version}\\n", entrypoint="dpkg-query")
    program = f"import glob, importlib.metadata as m; [print(d.name.lower().replace('_', '-').replace('.', '-'), d.version) for d in m.distributions(path=glob.glob('{SITE}/python3*/site-packages'))]"
    installed = images.run("-c", program, entrypoint="python")
    assert listed == {("pkg:deb", *line.split()) for line in packages.splitlines()} | {
        ("pkg:pypi", *line.split()) for line in installed.splitlines()
    }
    refs = {one["bom-ref"] for one in [*bill["components"], root]}
    assert len(refs) == len(listed)
    edges = {edge["ref"]: set(edge["dependsOn"]) for edge in bill["dependencies"]}
    assert refs >= set(edges) | set().union(*edges.values())
    assert {"botocore", "duckdb", "msgspec"} <= {ref.removeprefix("pkg:pypi/").split("@")[0] for ref in edges[root["bom-ref"]]}
    assert not [one["name"] for one in bill["components"] if one["purl"].startswith("pkg:pypi") and "licenses" not in one]


def test_the_size_of_the_image_stays_in_its_bounds(images):
    """Otherwise a forgotten stage or cache doubles what every node pulls."""
    assert images.inspect()["Size"] < 330_000_000


def test_hadolint_has_nothing_to_say(program):
    """Otherwise a mistake that a linter knows is shipped."""
    beside = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    done = subprocess.run(
        [beside or program("hadolint"), "Dockerfile", "deploy/compose/sandbox.Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_tag_that_tests_run_is_the_one_that_is_built():
    """Otherwise tests run an image of yesterday."""
    assert f"TAG={TAG}\n" in SCRIPT.read_text(encoding="utf-8")
