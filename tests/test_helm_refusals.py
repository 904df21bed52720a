"""The Helm chart refuses values that cannot work, or that would be a hole, with a sentence that says why."""

from __future__ import annotations

import json

import pytest

from tests.helm_chart import CHART, closed_sections

LOGIN = {"configSecret": {"name": "exporter-web"}}
DATABASE = {"type": "postgresql", "url": "postgresql://exporter@db.example.com/changes"}

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
    ({"serviceMonitor": {"enabled": True, "interval": "90s"}}, "set config.metrics.birth_hold to 180s or more"),
    ({"podMonitor": {"enabled": True, "interval": "1m", "scrapeTimeout": "1m1s"}}, "is longer than its interval"),
    ({"web": {**LOGIN, "tls": True}, "serviceMonitor": {"enabled": True}}, "an address, which no certificate names"),
    ({"commonLabels": {"app.kubernetes.io/name": "x"}}, "commonLabels sets app.kubernetes.io/name"),
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
    """Otherwise it is passed over: who misspells `persistence` believes that the counters are safe."""
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
