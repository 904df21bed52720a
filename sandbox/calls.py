"""What a request asks: service, region, caller and action, in any of AWS's protocols that management calls use.

Sources: Smithy, AWS protocols; signature version 4; Amazon S3 API reference (bucket operations); CloudTrail user
guide, "Logging data events" (what is no management event).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from sandbox import rest
from sandbox.backend import Environ
from sandbox.form import form_of

_CREDENTIAL = re.compile(r"Credential=([^/\s]{1,128})/\d{8}/([\w-]+)/([\w-]+)/aws4_request")

_BUCKET_CALLS: Mapping[str, str] = {
    "acl": "Acl",
    "cors": "Cors",
    "encryption": "Encryption",
    "lifecycle": "Lifecycle",
    "logging": "Logging",
    "notification": "Notification",
    "ownershipControls": "OwnershipControls",
    "policy": "Policy",
    "publicAccessBlock": "PublicAccessBlock",
    "replication": "Replication",
    "tagging": "Tagging",
    "versioning": "Versioning",
    "website": "Website",
}

_DATA = {
    "events": frozenset({"PutEvents"}),
    "kinesis": frozenset({"GetRecords", "PutRecord", "PutRecords"}),
    "logs": frozenset({"FilterLogEvents", "GetLogEvents", "PutLogEvents"}),
    "sns": frozenset({"Publish", "PublishBatch"}),
    "sqs": frozenset(
        {
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
            "DeleteMessage",
            "DeleteMessageBatch",
            "ReceiveMessage",
            "SendMessage",
            "SendMessageBatch",
        }
    ),
}
"""Calls that are data events, which neither Event history nor a trail without selectors has."""

_READ = re.compile(r"(?:BatchGet|Describe|Get|Head|List|Lookup|Search|Select)[A-Z]")
_READ_TOO = frozenset({"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "Decrypt", "Encrypt", "GenerateDataKey"})
_GLOBAL = frozenset({"cloudfront", "iam", "organizations", "route53"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request, understood. `form` is filled in the query and EC2 protocols, `document` in JSON and for S3's policies.

    `region` is where CloudTrail logs it, `bucket` is for S3 only.
    """

    service: str
    action: str
    region: str
    access_key: str
    user_agent: str
    source_ip: str
    form: Mapping[str, str] = field(default_factory=dict)
    document: Any = None
    bucket: str | None = None
    subresource: str | None = None

    @property
    def event_source(self) -> str:
        """The service as records name it."""
        return f"{self.service}.amazonaws.com"

    @property
    def read_only(self) -> bool:
        """Tell whether the call changes nothing, as CloudTrail counts it."""
        return self.action in _READ_TOO or _READ.match(self.action) is not None

    @property
    def is_data_event(self) -> bool:
        """Tell whether the call is left out of Event history."""
        return self.action in _DATA.get(self.service, ())


def service_of(environ: Environ) -> str:
    """Return the service that a request is signed for; "" where it is not signed."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return "" if match is None else match[3]


def access_key_of(environ: Environ) -> str:
    """Return the access key that a request is signed with; "" where it is not signed."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return "" if match is None else match[1]


def region_of(environ: Environ) -> str:
    """Return the region that a request is signed for; "" where it is not signed."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return "" if match is None else match[2]


def read_call(environ: Environ, body: bytes) -> Call | None:
    """Return what a request asks; None where it is unsigned, or of a protocol or S3 operation that is no management call."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if match is None:
        return None
    access_key, region, service = match.groups()
    caller = (environ.get("HTTP_USER_AGENT", "")[:1024], environ.get("REMOTE_ADDR", ""))
    where = "us-east-1" if service in _GLOBAL else region
    if service == "s3":
        return _bucket_call(environ, body, where, access_key, caller)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return Call(service, target.rpartition(".")[2], where, access_key, *caller, document=_json(body))
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        form = form_of(body)
        return Call(service, form.get("Action", ""), where, access_key, *caller, form=form) if form.get("Action") else None
    if service in rest.MODELS:
        asked = (environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", ""))
        found = rest.read(service, *asked, _json(body))
        return None if found is None else Call(service, found[0], where, access_key, *caller, document=found[1])
    return None


def _bucket_call(environ: Environ, body: bytes, region: str, access_key: str, caller: tuple[str, str]) -> Call | None:
    bucket, _, key = environ.get("PATH_INFO", "").removeprefix("/").partition("/")
    method = environ.get("REQUEST_METHOD", "")
    verb = {"PUT": "Put", "DELETE": "Delete"}.get(method)
    if not bucket or key or verb is None:
        return None
    asked = [name for name, _ in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)]
    subresource = next((name for name in asked if name in _BUCKET_CALLS), None)
    whole = "CreateBucket" if method == "PUT" else "DeleteBucket"
    action = whole if subresource is None else f"{verb}Bucket{_BUCKET_CALLS[subresource]}"
    document = _json(body) if subresource == "policy" else None
    return Call("s3", action, region, access_key, *caller, document=document, bucket=bucket, subresource=subresource)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
