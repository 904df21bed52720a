"""The schema of the chart's values: closed, so that a key spelled wrong is refused and not passed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from exporter.config import Config

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_SWITCH: Json = {"type": "boolean"}
_LIST: Json = {"type": "array", "items": {"type": "object"}}
_FREE: Json = {"type": "object"}
_TEXTS: Json = {"type": "object", "additionalProperties": {"type": "string"}}
_NAME: Json = {"type": "string", "pattern": "^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$"}
_KEY: Json = {"type": "string", "pattern": "^[A-Za-z0-9._-]+$"}
_DURATION: Json = {"type": "string", "pattern": "^([0-9]+(s|m|h|d))+$"}
_HOST: Json = {"type": "string", "pattern": r"^((\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$"}


def _whole(low: int, high: int) -> Json:
    return {"type": "integer", "minimum": low, "maximum": high}


def _one_of(*values: str) -> Json:
    return {"type": "string", "enum": list(values)}


def _closed(**properties: Json) -> Json:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _secret(**keys: Json) -> Json:
    return _closed(name=_NAME, **keys)


_PROBE = _closed(
    initialDelaySeconds=_whole(0, 3600), periodSeconds=_whole(1, 3600), timeoutSeconds=_whole(1, 600), failureThreshold=_whole(1, 10_000)
)
_MONITOR = {
    "enabled": _SWITCH,
    "namespace": _NAME,
    "labels": _TEXTS,
    "interval": _DURATION,
    "scrapeTimeout": _DURATION,
    "basicAuth": _FREE,
    "tlsConfig": _FREE,
    "relabelings": _LIST,
    "metricRelabelings": _LIST,
}


def _properties() -> dict[str, Json]:
    return {
        "fullnameOverride": {"type": "string", "pattern": "^([a-z]([a-z0-9-]{0,50}[a-z0-9])?)?$"},
        "commonLabels": _TEXTS,
        "image": _closed(
            repository={"type": "string", "pattern": "^[a-z0-9][A-Za-z0-9._:/-]*$"},
            tag={"type": "string", "pattern": r"^(\w[\w.-]{0,127})?$"},
            digest={"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
            pullPolicy=_one_of("Always", "IfNotPresent", "Never"),
        ),
        "imagePullSecrets": {"type": "array", "items": {**_closed(name=_NAME), "required": ["name"]}},
        "replicas": _whole(1, 100),
        "store": _closed(
            type=_one_of("sqlite", "postgresql"),
            url={"type": "string", "pattern": r"^(postgres(ql)?://\S*)?$"},
            passwordSecret=_secret(key=_KEY),
            sslMode=_one_of("disable", "require", "verify-ca", "verify-full"),
            caSecret=_secret(key=_KEY),
        ),
        "persistence": _closed(
            enabled=_SWITCH,
            size={"type": "string", "pattern": "^[0-9]+(Mi|Gi|Ti|M|G|T)$"},
            storageClass=_NAME,
            accessModes={"type": "array", "minItems": 1, "items": _one_of("ReadWriteOnce", "ReadWriteOncePod")},
            existingClaim=_NAME,
            annotations=_TEXTS,
        ),
        "config": configuration_keys(),
        "configSecret": _secret(key=_KEY),
        "aws": _closed(
            region={"type": "string", "pattern": "^([a-z]{2,8}(-[a-z]+)+-[0-9]{1,2})?$"},
            credentialsSecret=_secret(
                accessKeyIdKey=_KEY, secretAccessKeyKey=_KEY, sessionTokenKey={"type": "string", "pattern": "^[A-Za-z0-9._-]*$"}
            ),
        ),
        "serviceAccount": _closed(
            create=_SWITCH,
            name=_NAME,
            irsaRoleArn={"type": "string", "pattern": "^(arn:aws[a-z-]*:iam::[0-9]{12}:role/.+)?$"},
            annotations=_TEXTS,
        ),
        # Below 1024 a port is root's.
        "web": _closed(
            port=_whole(1024, 65_535), configSecret=_secret(key=_KEY), certificateSecret=_NAME, tls=_SWITCH, loginElsewhere=_SWITCH
        ),
        "log": _closed(level=_one_of("debug", "info", "warning", "error"), format=_one_of("console", "json")),
        "service": _closed(type=_one_of("ClusterIP", "NodePort", "LoadBalancer"), annotations=_TEXTS, labels=_TEXTS),
        "ingress": _closed(enabled=_SWITCH, className=_NAME, host=_HOST, tlsSecretName=_NAME, annotations=_TEXTS),
        "httpRoute": _closed(enabled=_SWITCH, parentRefs=_LIST, hostnames={"type": "array", "items": _HOST}, annotations=_TEXTS),
        "serviceMonitor": _closed(**_MONITOR),
        "podMonitor": _closed(**_MONITOR),
        "prometheusRule": _closed(enabled=_SWITCH, namespace=_NAME, labels=_TEXTS, groups=_LIST),
        "dashboards": _closed(
            enabled=_SWITCH, namespace=_NAME, label={"type": "string", "minLength": 1}, labelValue=_TEXT, annotations=_TEXTS
        ),
        "networkPolicy": _closed(enabled=_SWITCH, ingressFrom=_LIST, extraEgress=_LIST),
        "podDisruptionBudget": _closed(enabled=_SWITCH, maxUnavailable=_whole(1, 100)),
        "probes": _closed(enabled=_SWITCH, startup=_PROBE, liveness=_PROBE, readiness=_PROBE),
        "resources": _closed(requests=_FREE, limits=_FREE, claims=_LIST),
        "podSecurityContext": _FREE,
        "securityContext": _FREE,
        "terminationGracePeriodSeconds": _whole(6, 3600),
        "priorityClassName": _NAME,
        "nodeSelector": _TEXTS,
        "tolerations": _LIST,
        "affinity": _FREE,
        "topologySpreadConstraints": _LIST,
        "podAnnotations": _TEXTS,
        "podLabels": _TEXTS,
        "extraEnv": _LIST,
        "extraVolumes": _LIST,
        "extraVolumeMounts": _LIST,
        # Given by Helm to every chart that another one depends on.
        "global": _FREE,
    }


def values_schema(descriptions: Mapping[str, str]) -> Json:
    """Return the schema of values.yaml, with the descriptions of its paths."""
    schema = _closed(**{name: _described(part, name, descriptions) for name, part in _properties().items()})
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Generated by `make generate` from tools/helm_schema.py and exporter/config.py; edit those instead.",
        "title": "Values of the chart aws-change-exporter",
        **schema,
    }


def _described(part: Json, path: str, descriptions: Mapping[str, str]) -> Json:
    out = {"description": descriptions[path], **part} if path in descriptions else dict(part)
    if path != "config" and "properties" in part:
        out["properties"] = {name: _described(value, f"{path}.{name}", descriptions) for name, value in part["properties"].items()}
    return out


def configuration_keys() -> Json:
    """Return a schema that refuses what is no key of the configuration, and leaves the values to the exporter.

    Those have more forms than their schema says (a duration is `60s`, `1h30m` or 60).
    """
    schema = Config.model_json_schema()
    keys = _keys(schema, schema["$defs"])
    # The chart refuses these two with a sentence of its own where they do not fit.
    for name in ("path", "url"):
        keys["properties"]["store"]["properties"].setdefault(name, {})
    return {"type": "object", **_sorted(keys)}


def _sorted(keys: Json) -> Json:
    """Return keys in the order of their names, so that the schema does not change where the configuration only moves them."""
    return {name: _sorted(part) if isinstance(part, dict) else part for name, part in sorted(keys.items())}


def _keys(schema: Json, definitions: Mapping[str, Json]) -> Json:
    """Return the keys of a schema alone: objects closed, lists of objects, and nothing of values."""
    if "$ref" in schema:
        return _keys(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "properties" in schema:
        return {
            "additionalProperties": False,
            "properties": {name: _keys(part, definitions) for name, part in schema["properties"].items()},
        }
    if choices := [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        return _merged(_keys(choice, definitions) for choice in choices)
    if isinstance(schema.get("items"), dict) and (items := _keys(schema["items"], definitions)):
        return {"items": items}
    return {}


def _merged(choices: Iterable[Json]) -> Json:
    """Return the keys that any of several sections may have: which of them goes with which type is for the exporter to say."""
    out: Json = {}
    for choice in choices:
        for name, part in choice.get("properties", {}).items():
            properties = out.setdefault("properties", {})
            properties[name] = _merged((properties[name], part)) if name in properties else part
            out["additionalProperties"] = False
        if "items" in choice:
            out["items"] = _merged((out["items"], choice["items"])) if "items" in out else choice["items"]
    return out
