"""The calls that are rare, written and read by botocore's own serializers and parsers, from models cut down to those calls.

A client of botocore would do the same with the whole model of its service: 25 MB for the one call that EC2 is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
from botocore.awsrequest import create_request_object, prepare_request_dict
from botocore.exceptions import ParamValidationError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.paginate import Paginator
from botocore.parsers import ResponseParserError, create_parser
from botocore.serialize import create_serializer
from botocore.session import Session

from exporter.aws.listing import tree
from exporter.aws.operations import OPERATIONS, Operation
from exporter.aws.transport import Answer, Outgoing
from exporter.errors import AwsError
from exporter.text import visible

Answered: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Service:
    model: ServiceModel
    serializer: Any
    parser: Any
    pagination: Mapping[str, Any]


class Models:
    """Requests and answers of the calls in OPERATIONS; each service is loaded when first needed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._services: dict[str, _Service] = {}

    def request(self, operation: Operation, parameters: Mapping[str, Any], url: str, user_agent: str) -> Outgoing:
        """Return the unsigned request of a call. Raises AwsError where the parameters are none of it."""
        service = self._service(operation.service)
        try:
            written = service.serializer.serialize_to_request(parameters, service.model.operation_model(operation.name))
        except ParamValidationError as error:
            raise AwsError("internal", f"{operation.action}: {visible(str(error), 400)}", operation.action) from None
        prepare_request_dict(written, url, user_agent=user_agent, context={})
        request = create_request_object(written).prepare()
        body = request.body or b""
        return Outgoing(request.method, request.url, request.headers, body.encode() if isinstance(body, str) else body)

    def answer(self, operation: Operation, answer: Answer) -> Answered:
        """Return what an answer says, as boto3 has it. Raises ValueError where it is no answer to this call."""
        service = self._service(operation.service)
        # botocore takes any text for an answer that says nothing: a proxy's login page for an account without trails.
        _expect(operation.name, service.model.resolved_protocol, answer.body)
        raw = {"headers": answer.headers, "status_code": answer.status, "body": answer.body}
        try:
            parsed: Answered = service.parser.parse(raw, service.model.operation_model(operation.name).output_shape)
        except (ResponseParserError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise ValueError(f"not as AWS answers: {error}") from None
        return parsed

    def pages(
        self, operation: Operation, call: Callable[..., Mapping[str, Any]], parameters: Mapping[str, Any]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the pages of a call; just its answer where AWS does not page it."""
        service = self._service(operation.service)
        pagination = service.pagination.get(operation.name)
        if pagination is None:
            yield call(**parameters)
            return
        yield from Paginator(call, dict(pagination), service.model.operation_model(operation.name)).paginate(**parameters)

    def _service(self, name: str) -> _Service:
        with self._lock:
            service = self._services.get(name)
            if service is None:
                service = self._services[name] = self._load(name)
            return service

    def _load(self, name: str) -> _Service:
        # The session's loader would keep the whole model.
        loader = Loader(extra_search_paths=self._session.get_component("data_loader").search_paths)
        wanted = [operation.name for operation in OPERATIONS if operation.service == name]
        model = ServiceModel(_cut(loader.load_service_model(name, "service-2"), wanted), name)
        protocol = model.resolved_protocol
        pagination = loader.load_service_model(name, "paginators-1")["pagination"]
        paged = {key: pagination[key] for key in wanted if key in pagination}
        return _Service(model, create_serializer(protocol, include_validation=True), create_parser(protocol), paged)


def _expect(name: str, protocol: str, body: bytes) -> None:
    if protocol != "json":
        found = tree(body).tag.rpartition("}")[2]
        if found != f"{name}Response":
            raise ValueError(f"a {found!r:.40} instead of an answer")
        return
    try:
        fits = isinstance(orjson.loads(body), dict)
    except orjson.JSONDecodeError:
        fits = False
    # SQS answers some calls with nothing.
    if not fits and body:
        raise ValueError("not JSON")


def _cut(model: Mapping[str, Any], wanted: list[str]) -> dict[str, Any]:
    """Return a model with some operations only and the shapes that these use, without prose."""
    operations = {name: _plain(model["operations"][name]) for name in wanted}
    shapes: dict[str, Any] = {}
    pending = list(_used(list(operations.values())))
    while pending:
        name = pending.pop()
        if name not in shapes:
            shapes[name] = _plain(model["shapes"][name])
            pending += _used(shapes[name])
    return {"version": model.get("version"), "metadata": model["metadata"], "operations": operations, "shapes": shapes}


def _plain(part: Any) -> Any:
    if isinstance(part, Mapping):
        return {key: _plain(value) for key, value in part.items() if key != "documentation" or not isinstance(value, str)}
    return [_plain(item) for item in part] if isinstance(part, list) else part


def _used(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key == "shape" and isinstance(value, str):
                yield value
            else:
                yield from _used(value)
    elif isinstance(part, list):
        for item in part:
            yield from _used(item)
