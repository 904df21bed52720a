"""The Helm chart: every manifest is what Kubernetes takes, does what the exporter needs, and nonsense is refused with a sentence."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import re
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
from tests.helm_chart import CHART, TOOLS, VALUES, Helm, closed_sections, configuration, install_tools, nested, one, workload
from tools.helm_chart import chart_version, value_rows

KINDS = {
    "ConfigMap", "Deployment", "HTTPRoute", "Ingress", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "PrometheusRule", "Service",
    "ServiceAccount", "ServiceMonitor", "StatefulSet",
}  # fmt: skip
LOGIN = {"configSecret": {"name": "exporter-web"}}
DATABASE = {"type": "postgresql", "url": "postgresql://exporter@db.example.com/changes"}


@pytest.fixture(scope="session")
def helm(program) -> Helm:
    """Return the chart in the hands of the real helm."""
    return Helm.find(install_tools(program), program)


@pytest.fixture(scope="session")
def rendered(helm) -> dict[str, list[dict]]:
    """Return the manifests of every values file of ci/."""
    return {name: helm.template(name) for name in VALUES}


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


REFUSED = [
    ({"replicas": 2}, "each pod would have a SQLite file of its own"),
    ({"replicas": 0}, "replicas: Must be greater than or equal to 1"),
    ({"store": {"url": DATABASE["url"]}}, "store.url is given, but store.type is sqlite"),
    ({"store": {"passwordSecret": {"name": "db"}}}, "sqlite, which has no password"),
    ({"store": {"type": "postgresql"}}, "store.url is empty"),
    ({"store": {"type": "mysql"}}, "store.type must be one of the following"),
    ({"store": {"type": "postgresql", "url": "mysql://db/changes"}}, "store.url: Does not match pattern"),
    ({"store": {"type": "postgresql", "url": "postgresql://exporter:hunter2@db/changes"}}, "store.url holds a password"),
    ({"store": {"type": "postgresql", "url": "postgresql://db/changes?user=x&password=hunter2"}}, "store.url holds a password among"),
    ({"store": DATABASE, "config": {"store": {"path": "/x/state.db"}}}, "a store is one or the other"),
    ({"config": {"store": {"path": "/x/state.db", "url": "postgresql://db/changes"}}}, "a store is one or the other"),
    ({"config": {"store": {"url": "postgresql://db/changes"}}}, "config.store.url is the chart's to set"),
    ({"config": {"store": {"path": "/tmp/state.db"}}}, "config.store.path /tmp/state.db lies on no volume"),
    ({"config": {"stor": {}}}, "config: Additional property stor is not allowed"),
    ({"config": {"sources": [{"type": "s3", "buckett": "example"}]}}, "Additional property buckett is not allowed"),
    ({"store": {**DATABASE, "sslMode": "verify-full"}}, "no authority is named"),
    ({"store": DATABASE, "persistence": {"existingClaim": "data"}}, "keeps nothing in the pod"),
    ({"persistence": {"enabled": False, "existingClaim": "data"}}, "persistence.enabled is false"),
    ({"persistence": {"accessModes": ["ReadWriteMany"]}}, "persistence.accessModes.0 must be one of the following"),
    ({"config": {"watch": {}, "web": {}}, "configSecret": {"name": "own"}}, "config and configSecret.name are both given"),
    ({"store": DATABASE, "configSecret": {"name": "own"}}, "store.url and configSecret.name are both given"),
    (
        {"serviceAccount": {"irsaRoleArn": "arn:aws:iam::111122223333:role/x"}, "aws": {"credentialsSecret": {"name": "key"}}},
        "the key would win",
    ),
    ({"serviceAccount": {"irsaRoleArn": "arn:aws:iam::111122223333:role/x", "create": False}}, "annotate yours"),
    ({"serviceAccount": {"irsaRoleArn": "exporter"}}, "serviceAccount.irsaRoleArn: Does not match pattern"),
    ({"web": {"tls": True}}, "no file makes the exporter speak TLS"),
    ({"web": {"certificateSecret": "tls"}}, "no file says to use it"),
    ({"web": {"port": 443}}, "web.port: Must be greater than or equal to 1024"),
    ({"web": LOGIN, "config": {"web": {"health_without_login": False}}}, "probes cannot log in"),
    ({"ingress": {"enabled": True, "host": "changes.example.com"}}, "published without a login"),
    ({"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}}, "published without a login"),
    ({"service": {"type": "LoadBalancer"}}, "published without a login"),
    ({"web": LOGIN, "ingress": {"enabled": True}}, "ingress.host is empty"),
    ({"web": LOGIN, "httpRoute": {"enabled": True}}, "a route without a gateway is never served"),
    ({"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}, "every pod would be scraped twice"),
    ({"serviceMonitor": {"interval": "often"}}, "serviceMonitor.interval: Does not match pattern"),
    (
        {"prometheusRule": {"enabled": True}, "config": {"alerts": {"thresholds": {"AwsChangeBurst": {"limit": 50}}}}},
        "change expressions that the chart only copies",
    ),
    ({"podDisruptionBudget": {"maxUnavailable": 0}}, "podDisruptionBudget.maxUnavailable: Must be greater than or equal to 1"),
    ({"image": {"digest": "latest"}}, "image.digest: Does not match pattern"),
]


@pytest.mark.parametrize(("values", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_nonsense_is_refused_with_a_sentence(helm, values, said):
    """Otherwise it is installed, and what is wrong shows as a pod that never starts, or as a history that anybody can read."""
    assert said in helm.refusal(values)


def test_no_password_is_said_again(helm):
    """Otherwise the refusal puts the password into the log of a pipeline."""
    assert "hunter2" not in helm.refusal({"store": {"type": "postgresql", "url": "postgresql://exporter:hunter2@db/changes"}})


def test_a_key_that_is_spelled_wrong_is_refused_everywhere(helm):
    """Otherwise it is passed over: who writes `persistance` believes that the counters are safe."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    sections = [path for path in closed_sections(schema) if path[:1] != ("config",) or len(path) == 1]
    assert ("store", "passwordSecret") in sections
    for path in closed_sections(schema):
        part = schema
        for name in path:
            part = part["properties"][name]
        assert part["additionalProperties"] is False, path
    values: dict = {}
    for path in sections:
        place = values
        for name in path:
            place = place.setdefault(name, {})
        place["misspelled"] = True
    said = helm.refusal(values)
    for path in sections:
        assert f"- {'.'.join(path) or '(root)'}: Additional property misspelled is not allowed" in said, path


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
    assert nested(("a", "b"), 1) == {"a": {"b": 1}}


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
