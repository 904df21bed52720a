"""moto's services, asked in process. All that is used is the WSGI application of its server.

moto holds its state in the process: two sandboxes in one process would share it.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, ParseError, fromstring
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox import moto_groups, moto_messages, moto_networks, moto_queues

Environ: TypeAlias = dict[str, Any]
EC2_VERSION = "2016-11-15"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered: HTTP status, headers and body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def ok(self) -> bool:
        """Tell whether the call succeeded."""
        return self.status < HTTPStatus.BAD_REQUEST

    def with_body(self, body: bytes) -> Answer:
        """Return the answer with another body and the length of it."""
        kept = tuple((name, value) for name, value in self.headers if name.lower() != "content-length")
        return replace(self, headers=(*kept, ("Content-Length", str(len(body)))), body=body)

    def header(self, name: str) -> str | None:
        """Return a header by its name in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Backend:
    """moto behind one function: a request goes in, an answer comes out, nothing goes over the network."""

    def __init__(self) -> None:
        moto_groups.correct()
        moto_messages.correct()
        moto_networks.correct()
        moto_queues.correct()
        # Thousands of images for each account and region take it half a second; nobody here asks for one by its name.
        os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        self._app = DomainDispatcherApplication(create_backend_app)

    def reset(self) -> None:
        """Forget all state of an earlier sandbox in this process."""
        self.send({"REQUEST_METHOD": "POST", "PATH_INFO": "/moto-api/reset", **_PLAIN}, b"")

    def send(self, environ: Environ, body: bytes) -> Answer:
        """Return the answer to a request; 501, which AWS never answers, where moto does not know the call or trips over it."""
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
            told.append((status, headers))

        fresh = {name: value for name, value in environ.items() if not name.startswith(("werkzeug.", "flask."))}
        fresh |= {"wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr, "CONTENT_LENGTH": str(len(body))}
        try:
            chunks: Iterable[bytes] = self._app(fresh, start)
            text = b"".join(chunks)
        except Exception as error:  # noqa: BLE001 - whatever moto trips over, the caller gets an answer that says so
            return _tripped(error, is_form="form" in str(environ.get("CONTENT_TYPE")))
        status, headers = told[-1]
        return Answer(int(status.split()[0]), tuple(headers), text)

    def call(self, service: str, region: str, account_id: str, fields: Mapping[str, str]) -> Answer:
        """Return the answer to a call of ours in the query or EC2 protocol, as an account."""
        body = urlencode(fields).encode()
        return self.send(
            {
                "REQUEST_METHOD": "POST",
                "PATH_INFO": "/",
                "CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8",
                **signed(service, region, account_id),
                **_PLAIN,
            },
            body,
        )

    def json_answer(self, service: str, target: str, account_id: str, region: str, document: Any) -> Answer:
        """Return the answer to a call of ours in the JSON protocol, as an account."""
        headers = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "CONTENT_TYPE": "application/x-amz-json-1.1", "HTTP_X_AMZ_TARGET": target}
        return self.send({**headers, **signed(service, region, account_id), **_PLAIN}, json.dumps(document).encode())

    def json_call(self, service: str, target: str, account_id: str, region: str, document: Any) -> dict[str, Any]:
        """Return what a call of ours in the JSON protocol answers, as an account; empty where it failed."""
        answer = self.json_answer(service, target, account_id, region, document)
        body = json.loads(answer.body) if answer.ok and answer.body else {}
        return body if isinstance(body, dict) else {}

    def put_object(self, account_id: str, bucket: str, key: str, body: bytes, headers: Mapping[str, str]) -> str | None:
        """Put an object into a bucket, as an account; S3 tells whomever the bucket is set to tell.

        Returns the code of S3's error, None where there is none. A bucket that is gone loses the object.
        """
        named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items() if name != "Content-Type"}
        where = {"REQUEST_METHOD": "PUT", "PATH_INFO": f"/{bucket}/{key}", "CONTENT_TYPE": headers.get("Content-Type", "")}
        answer = self.send({**where, **named, **signed("s3", "us-east-1", account_id), **_PLAIN}, body)
        return None if answer.ok else element_of(answer.body).findtext("Code", "InternalError")

    def has_bucket(self, bucket: str) -> bool:
        """Tell whether a bucket exists, in any account."""
        where = {"REQUEST_METHOD": "HEAD", "PATH_INFO": f"/{bucket}", **signed("s3", "us-east-1", ""), **_PLAIN}
        return self.send(where, b"").status != HTTPStatus.NOT_FOUND

    def objects(self, account_id: str, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield key and size of each object below a prefix, as an account; none where the bucket is gone."""
        token = ""
        while True:
            asked = {"list-type": "2", "prefix": prefix, **({"continuation-token": token} if token else {})}
            where = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/{bucket}", **signed("s3", "us-east-1", account_id), **_PLAIN}
            told = element_of(self.send(where | {"QUERY_STRING": urlencode(asked)}, b"").body)
            for item in told.iter("Contents"):
                yield item.findtext("Key", ""), int(item.findtext("Size", "0"))
            token = told.findtext("NextContinuationToken", "")
            if not token:
                return

    def object(self, account_id: str, bucket: str, key: str) -> bytes | None:
        """Return an object as it is stored, as an account; None where it is gone."""
        answer = self.send(
            {"REQUEST_METHOD": "GET", "PATH_INFO": f"/{bucket}/{key}", **signed("s3", "us-east-1", account_id), **_PLAIN}, b""
        )
        return answer.body if answer.ok else None

    def publish(self, account_id: str, topic_arn: str, message: str) -> str | None:
        """Publish a message to a topic, as an account. Returns the code of SNS's error; a topic that is gone loses the message."""
        fields = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": topic_arn, "Message": message}
        answer = self.call("sns", topic_arn.split(":")[3], account_id, fields)
        return None if answer.ok else element_of(answer.body).findtext(".//Code", "InternalError")

    def ec2(self, region: str, account_id: str, action: str, fields: Mapping[str, str]) -> Element:
        """Return the answer of EC2 to a call of ours as XML without namespaces; an empty element where it failed."""
        answer = self.call("ec2", region, account_id, {"Action": action, "Version": EC2_VERSION, **fields})
        return element_of(answer.body) if answer.ok else Element("failed")


_PLAIN: Environ = {
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "HTTP_HOST": "localhost",
    "SCRIPT_NAME": "",
    "QUERY_STRING": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


def _tripped(error: Exception, *, is_form: bool) -> Answer:
    message = f"the sandbox cannot answer this call: {type(error).__name__}: {error}"[:1000]
    body = json.dumps({"__type": "NotImplemented", "message": message})
    if is_form:
        body = f"<Response><Errors><Error><Code>NotImplemented</Code><Message>{escape(message)}</Message></Error></Errors></Response>"
    return Answer(HTTPStatus.NOT_IMPLEMENTED, (), b"").with_body(body.encode())


def signed(service: str, region: str, account_id: str) -> Environ:
    """Return headers that lead moto to a service, region and account; it checks no signature."""
    scope = f"AKIAIOSFODNN7EXAMPLE/20260101/{region}/{service}/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none"
    return {"HTTP_AUTHORIZATION": authorization, "HTTP_X_MOTO_ACCOUNT_ID": account_id}


def element_of(body: bytes) -> Element:
    """Return XML without its namespaces; an empty element where it is none."""
    try:
        root = fromstring(body)  # noqa: S314 - moto wrote it, in this process
    except ParseError:
        return Element("none")
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
