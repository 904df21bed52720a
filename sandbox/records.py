"""Turns a call and its answer into the CloudTrail record of it.

Sources: CloudTrail user guide, "CloudTrail record contents"; shapes of requests and answers: classic.py, wrapper.py
and plain.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias
from uuid import uuid4

from sandbox import classic, plain, wrapper
from sandbox.backend import Answer, element_of
from sandbox.calls import Call
from sandbox.form import tree_of
from sandbox.identities import Identity, partition_of
from sandbox.models import Models
from sandbox.moments import iso

Record: TypeAlias = dict[str, Any]
MOST_JSON = 100_000
"""Over 100 KB CloudTrail leaves out a request or an answer as a whole."""
MOST_TEXT = 1024
_TLS = {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"}
_ANSWERED_READS = frozenset({"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})


class Recorder:
    """Makes records. `source_ip`, if given, stands in for the address that a call really came from."""

    def __init__(self, models: Models, source_ip: str | None) -> None:
        self._models, self._source_ip = models, source_ip

    def record(self, call: Call, answer: Answer, identity: Identity, at: datetime) -> Record:
        """Return the record of a call that was made at a time and answered, keys in AWS's order."""
        request_id = request_id_of(answer)
        # What a service does itself, or on somebody's behalf, comes from that service and without TLS details.
        service = identity.name if identity.kind == "service" else identity.invoked_by
        record: Record = {
            "eventVersion": "1.11",
            "userIdentity": identity.user_identity(call.access_key, call.region),
            "eventTime": iso(at),
            "eventSource": call.event_source,
            "eventName": call.action,
            "awsRegion": call.region,
            "sourceIPAddress": service or identity.source_ip or self._source_ip or call.source_ip,
            "userAgent": service or call.user_agent,
        }
        if not answer.ok:
            code, message = self._error(call, answer)
            record |= {"errorCode": code[:MOST_TEXT], "errorMessage": message[:MOST_TEXT]}
        record |= {
            "requestParameters": _bounded(self._asked(call)),
            "responseElements": _bounded(self._answered(call, answer, request_id)),
            "requestID": request_id,
            "eventID": str(uuid4()),
            "readOnly": call.read_only,
        }
        if call.bucket is not None:
            arn = f"arn:{partition_of(call.region)}:s3:::{call.bucket}"
            record["resources"] = [{"accountId": identity.account_id, "type": "AWS::S3::Bucket", "ARN": arn}]
        record |= {
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": identity.account_id,
            "eventCategory": "Management",
        }
        if not service:
            record["tlsDetails"] = {**_TLS, "clientProvidedHostHeader": f"{call.service}.{call.region}.amazonaws.com"}
        if identity.console and not service:
            record["sessionCredentialFromConsole"] = "true"
        return record

    def _asked(self, call: Call) -> Any:
        if call.service == "s3":
            asked = {"bucketName": call.bucket, "Host": f"s3.{call.region}.amazonaws.com"}
            if call.subresource == "policy" and call.document is not None:
                asked["bucketPolicy"] = call.document
            return asked | ({call.subresource: ""} if call.subresource else {})
        if not call.form:
            return plain.spelled(call.document) or None
        tree = tree_of(call.form)
        model = self._models.operation(call.service, call.action, call.form.get("Version", ""))
        shape = None if model is None else model.input_shape
        if call.service != "ec2":
            return plain.asked(shape, tree) or None
        return wrapper.asked(call.action, tree) if wrapper.is_wrapped(call.action) else classic.asked(call.action, shape, tree)

    def _answered(self, call: Call, answer: Answer, request_id: str) -> Any:
        if not answer.ok or call.service == "s3" or (call.read_only and call.action not in _ANSWERED_READS):
            return None
        if not call.form:
            return plain.spelled(_document(answer)) or None
        element = element_of(answer.body)
        model = self._models.operation(call.service, call.action, call.form.get("Version", ""))
        shape = None if model is None else model.output_shape
        if call.service != "ec2":
            return plain.answered(shape, element)
        if wrapper.is_wrapped(call.action):
            return wrapper.answered(call.action, element, request_id)
        return classic.answered(shape, element, request_id)

    def _error(self, call: Call, answer: Answer) -> tuple[str, str]:
        """Return errorCode and errorMessage: EC2 prefixes the code with whose fault it is, others name the exception."""
        code, message = error_of(answer)
        if call.service == "ec2":
            return ("Client." if answer.status < 500 else "Server.") + code, message
        model = self._models.operation(call.service, call.action, call.form.get("Version", ""))
        shapes = [] if model is None else model.error_shapes
        named = (shape.name for shape in shapes if shape.metadata.get("error", {}).get("code") == code)
        return next(named, code), message


def service_event(name: str, account_id: str, region: str, at: datetime, details: Mapping[str, Any], resources: list[Any]) -> Record:
    """Return the record of something that EC2 did by itself (eventType AwsServiceEvent, an identity without type)."""
    return {
        "eventVersion": "1.11",
        "userIdentity": {"accountId": account_id, "invokedBy": "ec2.amazonaws.com"},
        "eventTime": iso(at),
        "eventSource": "ec2.amazonaws.com",
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": "ec2.amazonaws.com",
        "userAgent": "ec2.amazonaws.com",
        "requestParameters": None,
        "responseElements": None,
        "eventID": str(uuid4()),
        "readOnly": False,
        "resources": resources,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account_id,
        "serviceEventDetails": dict(details),
        "eventCategory": "Management",
    }


def request_id_of(answer: Answer) -> str:
    """Return the id that the answer gives its request, in the body for EC2, else in the headers; a new one where there is none."""
    element = element_of(answer.body) if answer.body.startswith(b"<?xml") else None
    inside = None if element is None else element.findtext("requestId") or element.findtext("RequestID")
    return inside or answer.header("x-amzn-requestid") or answer.header("x-amz-request-id") or str(uuid4())


def error_of(answer: Answer) -> tuple[str, str]:
    """Return code and message of an error in XML or JSON."""
    document = _document(answer)
    if isinstance(document, Mapping):
        code = str(document.get("__type") or document.get("code") or "InternalFailure")
        return code.rpartition("#")[2], str(document.get("message") or document.get("Message") or "")
    element = element_of(answer.body)
    return element.findtext(".//Code") or "InternalFailure", element.findtext(".//Message") or ""


def _document(answer: Answer) -> Any:
    try:
        return json.loads(answer.body) if answer.body.lstrip()[:1] == b"{" else None
    except ValueError:
        return None


def _bounded(value: Any) -> Any:
    return None if value is None or len(json.dumps(value)) > MOST_JSON else value
