"""The Helm chart: every manifest is what Kubernetes takes, does what the exporter needs, and nonsense is refused with a sentence."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from exporter import __version__
from exporter.cli import main
from exporter.config import Config, StoreSettings, load
from exporter.rules import AlertSettings
from exporter.rules.render import alert_groups, recording_groups
from tests.helm_chart import CHART, TOOLS, VALUES, closed_sections, configuration, one, workload
from tools.helm_chart import chart_version, value_rows

KINDS = {
    "ConfigMap", "Deployment", "HTTPRoute", "Ingress", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "PrometheusRule", "Service",
    "ServiceAccount", "ServiceMonitor", "StatefulSet",
}  # fmt: skip


def loaded(text: str, path: Path) -> Config:
    """Return a rendered configuration as the exporter reads it; where this version has no PostgreSQL store, without its URL."""
    document = yaml.safe_load(text)
    if "url" not in StoreSettings.model_fields:
        document["store"].pop("url", None)
        text = yaml.safe_dump(document)
    path.write_text(text, encoding="utf-8")
    return load(path)


def command(manifests: list[dict]) -> list[str]:
    """Return the arguments of the container."""
    return workload(manifests)["spec"]["template"]["spec"]["containers"][0]["args"]


@pytest.mark.parametrize("name", VALUES)
def test_helm_finds_nothing_to_say(helm, name):
    """Otherwise a template, or the notes after an install, fail for people who set this."""
    done = helm.run("lint", "--strict", str(CHART), "--values", str(CHART / f"ci/{name}-values.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr


@pytest.mark.parametrize("version", ["1.25", "1.37"])
def test_kubernetes_takes_every_manifest(helm, rendered, version):
    """Otherwise an install stops halfway, or a key spelled wrong is dropped without a word: a volume that is not mounted read-only."""
    assert {manifest["kind"] for manifests in rendered.values() for manifest in manifests} == KINDS
    for name, manifests in rendered.items():
        assert helm.faults(manifests, version) == {}, name


def test_the_operator_and_the_gateway_take_every_custom_resource(helm, rendered):
    """Otherwise Prometheus never finds the exporter or its rules, and nobody hears of a change."""
    assert helm.custom_faults(manifest for manifests in rendered.values() for manifest in manifests) == {}


def test_each_mistake_in_a_manifest_is_found(helm, rendered):
    """A check that lets everything pass would look the same as a chart without faults."""
    manifests = copy.deepcopy(rendered["everything"])
    workload(manifests)["spec"]["replicas"] = "two"
    one(manifests, "Service")["spec"]["ports"][0]["porrt"] = 1
    one(manifests, "ServiceMonitor")["spec"]["endpoints"][0]["interval"] = "often"
    del one(manifests, "PrometheusRule")["spec"]["groups"][0]["rules"][0]["expr"]
    one(manifests, "HTTPRoute")["spec"]["backendReffs"] = []
    assert helm.faults(manifests, "1.37").keys() == {"Deployment", "Service"}
    found = helm.custom_faults(manifests)
    assert found.keys() == {"ServiceMonitor", "PrometheusRule", "HTTPRoute"}
    assert "backendReffs" in found["HTTPRoute"]


@pytest.mark.parametrize("name", VALUES)
def test_the_exporter_reads_its_configuration_and_arguments(rendered, tmp_path, name):
    """Otherwise the pod ends at once, saying that it does not know a key or an option that the chart wrote."""
    manifests = rendered[name]
    config = loaded(configuration(manifests), tmp_path / "config.yml")
    pod = workload(manifests)["spec"]["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    if "data" in mounts:
        assert str(config.store.path.parent) == mounts["data"]
    arguments = command(manifests)
    given = main.commands["serve"].make_context("serve", arguments[1:], parent=click.Context(main), resilient_parsing=True).params
    assert arguments[0] == "serve"
    assert str(given["config_file"]) == f"{mounts['config']}/config.yml"
    assert given["listen_address"] == f":{pod['containers'][0]['ports'][0]['containerPort']}"


def test_what_is_set_arrives(rendered, tmp_path):
    """Otherwise helm turned a number, a date or an account id into something else on its way, or the chart lost it."""
    config = loaded(configuration(rendered["everything"]), tmp_path / "config.yml")
    assert config.aws.organization.exclude == ("777788889999",)
    assert config.aws.organization.external_id == "0123"
    assert config.metrics.budgets == {"awschange_security_group_changes_total": 1_000_000}
    assert config.posture.exceptions[0].expires.date().isoformat() in ("2099-12-31", "2100-01-01")
    assert config.store.retention.days == 3650
    assert config.web.external_url == "https://changes.example.com"
    assert config.web.health_without_login
    assert yaml.safe_load(configuration(rendered["postgres"]))["store"] == {"url": "postgresql://exporter@db.example.com:5433/changes"}
    assert yaml.safe_load(configuration(rendered["default"])) == {"store": {"path": "/var/lib/aws-change-exporter/state.db"}}


def test_a_change_of_the_configuration_rolls_the_pods_and_nothing_else_does(helm):
    """Otherwise a new configuration waits for the next restart, or every upgrade restarts the exporter."""

    def checksum(values: dict) -> str:
        return workload(helm.template(values=values))["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    assert checksum({}) == checksum({"dashboards": {"enabled": True}})
    assert checksum({}) != checksum({"config": {"metrics": {"birth_hold": "3m"}}})


def test_the_store_decides_the_workload(rendered):
    """Otherwise a SQLite file dies with its pod, or a database waits for volumes that no replica needs."""
    stateful = one(rendered["default"], "StatefulSet")["spec"]
    assert stateful["replicas"] == 1
    assert stateful["volumeClaimTemplates"][0]["spec"]["resources"]["requests"] == {"storage": "4Gi"}
    spec = one(rendered["postgres"], "Deployment")["spec"]
    assert spec["replicas"] == 3
    container = spec["template"]["spec"]["containers"][0]
    secret = {"secretKeyRef": {"name": "exporter-database", "key": "password"}}
    assert {"name": "PGPASSWORD", "valueFrom": secret} in container["env"]
    assert {"name": "PGSSLMODE", "value": "verify-full"} in container["env"]
    assert "data" not in {mount["name"] for mount in container["volumeMounts"]}
    policy = one(rendered["postgres"], "NetworkPolicy")
    assert {"ports": [{"port": 5433, "protocol": "TCP"}]} in policy["spec"]["egress"]


@pytest.mark.parametrize(
    ("authority", "ports"),
    [
        ("db.example.com", [5432]),
        ("exporter@db.example.com:6000", [6000]),
        ("exporter@a.example.com:5433,b.example.com:5434", [5433, 5434]),
        ("exporter@[2001:db8::1]", [5432]),
        ("exporter@[2001:db8::1]:6432", [6432]),
    ],
)
def test_the_network_policy_lets_the_database_through(helm, authority, ports):
    """Otherwise the pods cannot reach their database, and the reason is in no log."""
    manifests = helm.template("postgres", {"store": {"url": f"postgresql://{authority}/changes?target_session_attrs=read-write"}})
    egress = one(manifests, "NetworkPolicy")["spec"]["egress"]
    assert {"ports": [{"port": port, "protocol": "TCP"} for port in ports]} in egress


def test_names_that_yaml_takes_for_something_else_stay_names(helm):
    """Otherwise a release called 7 by its pipeline, or a Secret called `null`, gives manifests that Kubernetes refuses."""
    names = {"serviceAccount": {"name": "true"}, "configSecret": {"name": "null"}, "persistence": {"existingClaim": "7"}}
    done = helm.run("template", "7", str(CHART), "--namespace", "8", values={**names, "fullnameOverride": "off", "image": {"tag": "1"}})
    assert done.returncode == 0, done.stderr
    manifests = [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]
    assert helm.faults(manifests, "1.37") == {}
    pod = workload(manifests)["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["containers"][0]["image"]) == ("true", "localhost/aws-change-exporter:1")
    assert {manifest["metadata"]["namespace"] for manifest in manifests} == {"8"}
    done = helm.run("template", "7", str(CHART))
    assert "does not begin with a letter, as that of a service must: set fullnameOverride" in done.stderr


def test_values_shown_on_the_page_are_taken(helm, repository, tmp_path):
    """Otherwise what people copy from docs/kubernetes.md is refused, or gives manifests that are."""
    page = (repository / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    shown = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    assert [values.get("replicas") for values in shown] == [None, 3]
    for values in shown:
        manifests = helm.template(values=values)
        assert helm.faults(manifests, "1.37") == {}
        loaded(configuration(manifests), tmp_path / "config.yml")


@pytest.mark.parametrize("name", VALUES)
def test_the_notes_show_commands_that_exist(helm, tmp_path, name):
    """Otherwise the first thing that people type after an install fails; helm prints the notes only where there is a cluster."""
    chart = shutil.copytree(CHART, tmp_path / "chart")
    notes = (chart / "templates/NOTES.txt").read_text(encoding="utf-8")
    (chart / "templates/_notes.tpl").write_text(f'{{{{ define "notes" }}}}{notes}{{{{ end }}}}', encoding="utf-8")
    (chart / "templates/shown.yaml").write_text('{kind: Notes, text: {{ include "notes" . | toJson }}}', encoding="utf-8")
    done = helm.run(
        "template", "changes", str(chart), "--values", str(chart / f"ci/{name}-values.yaml"), "--show-only", "templates/shown.yaml"
    )
    assert done.returncode == 0, done.stderr
    text = yaml.safe_load(done.stdout)["text"]
    for word in re.findall(r"-- aws-change-exporter ([\w-]+)", text):
        assert word in main.commands
    assert "exec statefulset/changes-aws-change-exporter -- aws-change-exporter doctor" in text or "exec deployment/" in text
    assert ("WARNING" in text) == (name == "minimal")
    assert ("https://changes.example.com" in text) == (name == "everything")
    assert "<no value>" not in text


@pytest.mark.parametrize("name", VALUES)
def test_pods_are_confined(rendered, name):
    """Otherwise whoever breaks into the exporter is root in the pod, may write to it, or speaks to Kubernetes with its token."""
    pod = workload(rendered[name])["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod.get("hostNetwork")
    assert not pod.get("hostPID")
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert all(account["automountServiceAccountToken"] is False for account in rendered[name] if account["kind"] == "ServiceAccount")
    assert not [manifest for manifest in rendered[name] if manifest["kind"] == "Secret"]


@pytest.mark.parametrize("name", VALUES)
def test_the_parts_find_each_other(rendered, name):
    """Otherwise a service without pods, a monitor without targets or a volume that is not there is only seen in the cluster."""
    manifests = rendered[name]
    template = workload(manifests)["spec"]["template"]
    labels, pod = template["metadata"]["labels"], template["spec"]
    service = one(manifests, "Service")
    ports = {port["name"] for port in pod["containers"][0]["ports"]}
    selectors = [(service["spec"]["selector"], labels), (workload(manifests)["spec"]["selector"]["matchLabels"], labels)]
    for manifest in manifests:
        if manifest["kind"] == "ServiceMonitor":
            selectors.append((manifest["spec"]["selector"]["matchLabels"], service["metadata"]["labels"]))
            assert manifest["spec"]["namespaceSelector"] == {"matchNames": ["audit"]}
            assert re.fullmatch(AlertSettings().exporter_job, service["metadata"]["labels"][manifest["spec"]["jobLabel"]])
        elif manifest["kind"] == "PodMonitor":
            selectors.append((manifest["spec"]["selector"]["matchLabels"], labels))
            assert re.fullmatch(AlertSettings().exporter_job, labels[manifest["spec"]["jobLabel"]])
            assert manifest["spec"]["podMetricsEndpoints"][0]["port"] in ports
        elif manifest["kind"] == "PodDisruptionBudget":
            selectors.append((manifest["spec"]["selector"]["matchLabels"], labels))
        elif manifest["kind"] == "NetworkPolicy":
            selectors.append((manifest["spec"]["podSelector"]["matchLabels"], labels))
            assert manifest["spec"]["ingress"][0]["ports"][0]["port"] in ports
    assert [pair for pair in selectors if not pair[0] or not pair[0].items() <= pair[1].items()] == []
    claims = {claim["metadata"]["name"] for claim in workload(manifests)["spec"].get("volumeClaimTemplates", ())}
    mounted = [mount["name"] for mount in pod["containers"][0]["volumeMounts"]]
    assert sorted(mounted) == sorted({volume["name"] for volume in pod["volumes"]} | claims)
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_tls_and_logins_reach_every_part(rendered):
    """Otherwise probes kill a pod that speaks TLS, and Prometheus and the gateway speak plain HTTP to it."""
    manifests = rendered["everything"]
    container = workload(manifests)["spec"]["template"]["spec"]["containers"][0]
    assert "--web.config.file=/etc/aws-change-exporter/web/web-config.yml" in container["args"]
    assert {container[probe]["httpGet"]["scheme"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")} == {"HTTPS"}
    assert one(manifests, "ServiceMonitor")["spec"]["endpoints"][0]["scheme"] == "https"
    assert one(manifests, "Service")["spec"]["ports"][0]["appProtocol"] == "https"


def test_several_replicas_are_spread_and_drained_one_by_one(rendered):
    """Otherwise one node, or one drain, takes all replicas away."""
    manifests = rendered["postgres"]
    spread = workload(manifests)["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert [part["topologyKey"] for part in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert one(manifests, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert [manifest for manifest in rendered["default"] if manifest["kind"] == "PodDisruptionBudget"] == []


def test_the_rules_are_those_of_the_exporter(rendered, tmp_path, program):
    """Otherwise the chart pages by other rules than those that are tested and documented."""
    groups = one(rendered["sqlite"], "PrometheusRule")["spec"]["groups"]
    assert groups == [*alert_groups(AlertSettings()), *recording_groups()]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")
    done = subprocess.run(
        [program("promtool"), "check", "rules", str(tmp_path / "rules.yml")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_follow_the_settings_that_they_can(rendered, tmp_path):
    """Otherwise `config.alerts` would hold for the command and not for the chart, and an alert that was turned off pages."""
    settings = loaded(configuration(rendered["everything"]), tmp_path / "config.yml").alerts
    assert settings.disabled
    assert settings.labels
    assert settings.severities
    wanted = [*alert_groups(settings), *recording_groups()]
    groups = one(rendered["everything"], "PrometheusRule")["spec"]["groups"]

    def alerts(groups: list[dict]) -> list[dict]:
        return [rule for group in groups for rule in group["rules"] if "alert" in rule]

    assert alerts(groups) == alerts(wanted)
    # What only a disabled alert reads is still recorded.
    assert all(rule in group["rules"] for group in groups for other in wanted if other["name"] == group["name"] for rule in other["rules"])


def test_rules_of_a_site_replace_those_of_the_chart(helm):
    """Otherwise a site with thresholds of its own gets both, and two pages for each incident."""
    own = [{"name": "own", "rules": [{"alert": "AwsChangeBurst", "expr": "vector(1)"}]}]
    values = {"prometheusRule": {"enabled": True, "groups": own}, "config": {"alerts": {"thresholds": {"AwsChangeBurst": {"limit": 50}}}}}
    assert one(helm.template(values=values), "PrometheusRule")["spec"]["groups"] == own


def test_the_dashboards_are_those_of_the_repository(rendered, repository):
    """Otherwise Grafana shows panels of another version, or the sidecar passes them over."""
    found = {
        name: json.loads(text)
        for manifest in rendered["everything"]
        if manifest["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
        for name, text in manifest["data"].items()
    }
    wanted = {f"aws-change-exporter-{path.name}": json.loads(path.read_text("utf-8")) for path in (repository / "grafana").glob("*.json")}
    assert len(wanted) == 5
    assert found == wanted


def test_the_chart_and_each_manifest_are_small_enough(rendered):
    """Otherwise Kubernetes refuses the release (a Secret of at most 1 MiB), or `kubectl apply` an object (256 KiB in an annotation)."""
    for manifest in rendered["everything"]:
        assert len(json.dumps(manifest).encode()) < 256 * 1024, (manifest["kind"], manifest["metadata"]["name"])
    files = [path for path in CHART.rglob("*") if path.is_file() and "ci" not in path.relative_to(CHART).parts]
    release = {path.name: base64.b64encode(path.read_bytes()).decode() for path in files} | {"manifest": json.dumps(rendered["everything"])}
    assert len(base64.b64encode(gzip.compress(json.dumps(release).encode()))) < 512 * 1024


def test_every_value_is_known_and_described():
    """Otherwise a value that the chart reads is refused, or one that it takes stands in no table."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    for path in closed_sections(schema):
        if path[:1] in (("config",), ("resources",)) or (path[:1] == ("probes",) and len(path) > 1):
            continue
        section, part = values, schema
        for name in path:
            section, part = section[name], part["properties"][name]
        assert section.keys() == part["properties"].keys() - {"global"}, path
    with pytest.raises(ValueError, match=r"store\.quiet has no description"):
        list(value_rows("store:\n  quiet: 1\n"))
    assert list(value_rows("store:\n  # -- How\n  # loud.\n  loud: [1]\n")) == [("store.loud", "[1]", "How loud.")]


def test_the_chart_has_the_version_of_the_package():
    """Otherwise an upgrade of the chart installs the image of another version."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["version"], chart["appVersion"]) == (chart_version(__version__), __version__)
    assert [chart_version(version) for version in ("1.2.0", "1.2.0rc1", "1.2.0b10")] == ["1.2.0", "1.2.0-rc1", "1.2.0-b10"]


def test_the_locks_name_no_address():
    """Otherwise everybody who runs these tests is sent to somebody's package index."""
    lock = (TOOLS / "package-lock.json").read_text(encoding="utf-8")
    assert "resolved" not in lock
    packages = {name: package for name, package in json.loads(lock)["packages"].items() if name}
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    requirements = (TOOLS / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(r"://|--(?:extra-)?index|--find-links|--trusted-host|file:|@ ", requirements) is None
