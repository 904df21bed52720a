"""A request as IAM sees it: an action, the resource that it is done to, and what conditions may ask about.

Sources: Service Authorization Reference (actions, resource types and condition keys of each service); AWS API references
(which operations need no permission).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from sandbox.backend import Environ
from sandbox.calls import Call, region_of, service_of
from sandbox.identities import Identity, partition_of

FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
"""What everybody may do, whatever policies say."""

_BATCHES = ("sqs", "sns")
_BUCKET_READS: Mapping[str, str] = {
    "acl": "GetBucketAcl",
    "encryption": "GetEncryptionConfiguration",
    "lifecycle": "GetLifecycleConfiguration",
    "location": "GetBucketLocation",
    "logging": "GetBucketLogging",
    "notification": "GetBucketNotification",
    "policy": "GetBucketPolicy",
    "policyStatus": "GetBucketPolicyStatus",
    "publicAccessBlock": "GetBucketPublicAccessBlock",
    "tagging": "GetBucketTagging",
    "uploads": "ListBucketMultipartUploads",
    "versioning": "GetBucketVersioning",
    "versions": "ListBucketVersions",
}
_BUCKET_NAMES: Mapping[str, str] = {
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketReplication": "PutReplicationConfiguration",
}
"""Changes of buckets whose permission has another name than the call."""
_VERSION = re.compile(r"20\d{6}(v2)?$")
"""What Lambda's event names end with, and its permissions do not."""
_TRAIL_KEYS = ("TrailName", "Name")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request needs permission for. `resource` is an ARN, or `*` where the action knows none."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def asked_of(
    environ: Environ, call: Call | None, identity: Identity, workgroup_of: Callable[[str], str] = lambda _query: "primary"
) -> Asked | None:
    """Return what a request asks for; None where it is not signed. An operation that the sandbox cannot name is `SERVICE:Unknown`.

    `workgroup_of` tells the workgroup of a query of Athena by its id.
    """
    service = service_of(environ)
    if not service:
        return None
    region = region_of(environ)
    context = {
        "aws:RequestedRegion": region,
        "aws:PrincipalArn": identity.principal_arn(region),
        "aws:PrincipalAccount": identity.account_id,
    }
    if service == "s3":
        return _s3(environ, call, f"arn:{partition_of(region)}:s3:::", context)
    if call is None:
        return Asked(f"{service}:Unknown", "*", context)
    name = _VERSION.sub("", call.action.removesuffix("Batch") if service in _BATCHES else call.action)
    document = call.document if isinstance(call.document, dict) else {}
    if service == "athena":
        return Asked(f"athena:{name}", _of_athena(document, call, identity, workgroup_of), context)
    if service == "sts":
        told = {"sts:ExternalId": call.form.get("ExternalId"), "sts:RoleSessionName": call.form.get("RoleSessionName")}
        context |= {key: value for key, value in told.items() if value is not None}
    return Asked(f"{service}:{name}", _resource(call, document, identity), context)


def _of_athena(document: Mapping[str, Any], call: Call, identity: Identity, workgroup_of: Callable[[str], str]) -> str:
    """Return the ARN of the workgroup, or of the data catalog, that a call of Athena is about."""
    beginning = f"arn:{partition_of(call.region)}:athena:{call.region}:{identity.account_id}"
    if "CatalogName" in document:
        return f"{beginning}:datacatalog/{document['CatalogName']}"
    query = document.get("QueryExecutionId")
    name = workgroup_of(str(query)) if query else document.get("WorkGroup") or document.get("Name") or "primary"
    return f"{beginning}:workgroup/{name}"


def _s3(environ: Environ, call: Call | None, beginning: str, context: dict[str, str]) -> Asked:
    bucket, _, key = unquote(environ.get("PATH_INFO", "")).removeprefix("/").partition("/")
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    method = environ.get("REQUEST_METHOD", "")
    if not bucket:
        return Asked("s3:ListAllMyBuckets", "*", context)
    arn = beginning + bucket
    if key:
        names = {"GET": "GetObject", "HEAD": "GetObject", "DELETE": "DeleteObject"}
        return Asked(f"s3:{names.get(method, 'PutObject')}", f"{arn}/{key}", context)
    if call is not None:
        return Asked(f"s3:{_BUCKET_NAMES.get(call.action, call.action)}", arn, context)
    if method == "POST" and "delete" in query:
        return Asked("s3:DeleteObject", f"{arn}/*", context)
    subresource = next((name for name in query if name in _BUCKET_READS), None)
    if subresource is not None:
        return Asked(f"s3:{_BUCKET_READS[subresource]}", arn, context)
    context |= {f"s3:{name}": query[name] for name in ("prefix", "delimiter") if name in query}
    return Asked("s3:ListBucket", arn, context)


def _resource(call: Call, document: Mapping[str, Any], identity: Identity) -> str:
    """Return the resource of a call of the services whose permissions name one here; `*` for all others."""
    beginning = f"arn:{partition_of(call.region)}:{call.service}:{call.region}:{identity.account_id}"
    if call.service == "sqs":
        parts = str(document.get("QueueUrl") or call.form.get("QueueUrl", "")).rstrip("/").rsplit("/", 2)
        if len(parts) == 3:
            return f"arn:{partition_of(call.region)}:sqs:{call.region}:{parts[1]}:{parts[2]}"
        name = document.get("QueueName") or call.form.get("QueueName")
        return f"{beginning}:{name}" if name else "*"
    if call.service == "sts":
        return call.form.get("RoleArn", "*")
    if call.service == "cloudtrail":
        name = next((str(document[key]) for key in _TRAIL_KEYS if document.get(key)), "")
        if not name:
            return "*"
        return name if name.startswith("arn:") else f"{beginning}:trail/{name}"
    return "*"
