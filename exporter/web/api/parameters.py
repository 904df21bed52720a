"""Parameters as records: each serves to read the query string, to say what is allowed, and to describe itself in OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from exporter.web.api.problems import Fault, Problem, bad_request
from exporter.web.http import MAX_FIELDS, MAX_QUERY, Request

MOST_VALUES = 50
"""How often a parameter may be repeated."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `read` turns one value into what the handler takes, and raises ValueError where `schema` does not allow it.

    `allowed` says the same as `schema`, for a person. Of one that is `repeated` the handler gets a tuple, of any other its value or
    `default`. One of the path is never checked by `schema`: what does not exist is not found, whatever it looks like.
    """

    name: str
    description: str
    schema: Json
    allowed: str
    read: Callable[[str], Any] = str
    repeated: bool = False
    required: bool = False
    default: Any = None
    in_path: bool = False
    example: str | None = None

    def openapi(self) -> dict[str, Any]:
        """Return the parameter object of OpenAPI."""
        schema: dict[str, Any] = dict(self.schema)
        if self.repeated:
            schema = {"type": "array", "items": schema, "minItems": 1, "maxItems": MOST_VALUES}
        elif self.default is not None:
            schema["default"] = self.default
        described: dict[str, Any] = {"name": self.name, "in": "path" if self.in_path else "query", "description": self.description}
        if self.required or self.in_path:
            described["required"] = True
        if self.repeated:
            described |= {"style": "form", "explode": True}
        if self.example is not None:
            described["example"] = [self.example] if self.repeated else self.example
        return {**described, "schema": schema}


def plain(name: str, description: str, most: int, **more: Any) -> Parameter:
    """Return a parameter of any text up to a length."""
    return Parameter(
        name, description, {"type": "string", "minLength": 1, "maxLength": most}, f"1 to {most} characters", _up_to(most), **more
    )


def one_of(name: str, description: str, values: Sequence[str], **more: Any) -> Parameter:
    """Return a parameter of a closed set."""
    return Parameter(name, description, {"type": "string", "enum": list(values)}, "one of " + ", ".join(values), _member(values), **more)


def formed(name: str, description: str, pattern: str, allowed: str, read: Callable[[str], Any] = str, **more: Any) -> Parameter:
    """Return a parameter whose texts match a pattern."""
    return Parameter(name, description, {"type": "string", "pattern": f"^{pattern}$"}, allowed, _formed(pattern, read), **more)


def number(name: str, description: str, least: int, most: int, default: int) -> Parameter:
    """Return a parameter of a whole number in decimal digits."""
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Parameter(name, description, schema, f"a whole number from {least} to {most}", _whole(least, most), default=default)


def truth(name: str, description: str) -> Parameter:
    """Return a parameter that is true or false."""
    return Parameter(name, description, {"type": "boolean"}, "true or false", lambda text: _member(("true", "false"))(text) == "true")


def read_query(request: Request, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return the value of every parameter by name; raise Problem that names all that is wrong."""
    given = _given(str(request.environ.get("QUERY_STRING", "")))
    known = {parameter.name: parameter for parameter in parameters if not parameter.in_path}
    names = ", ".join(known) or "none"
    faults = [Fault(_shown(name), f"no such parameter; there are: {names}") for name in given if name not in known]
    values: dict[str, Any] = {}
    for name, parameter in known.items():
        try:
            values[name] = _value(parameter, given.get(name, []))
        except ValueError as error:
            faults.append(Fault(name, str(error) or parameter.allowed))
    if faults:
        raise bad_request(*faults[:MAX_FIELDS])
    return values


def _value(parameter: Parameter, given: list[str]) -> Any:
    if not given:
        if parameter.required:
            raise ValueError(f"required: {parameter.allowed}")
        return () if parameter.repeated else parameter.default
    if len(given) > (MOST_VALUES if parameter.repeated else 1):
        raise ValueError(f"at most {MOST_VALUES} times" if parameter.repeated else "once")
    try:
        values = tuple(parameter.read(text) for text in given)
    except ValueError:
        raise ValueError(parameter.allowed) from None
    return values if parameter.repeated else values[0]


def _given(text: str) -> dict[str, list[str]]:
    whole = "the query string"
    if len(text) > MAX_QUERY:
        raise Problem(HTTPStatus.REQUEST_URI_TOO_LONG, f"The query string may have {MAX_QUERY} bytes.")
    if not text.isascii():
        raise bad_request(Fault(whole, "ASCII; all else percent-encoded as UTF-8"))
    given: dict[str, list[str]] = {}
    try:
        for name, value in parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS):
            given.setdefault(name, []).append(value)
    except UnicodeError:
        raise bad_request(Fault(whole, "percent-encoded UTF-8")) from None
    except ValueError:
        raise bad_request(Fault(whole, f"at most {MAX_FIELDS} parameters")) from None
    return given


def _shown(name: str) -> str:
    """Return a name that somebody made up as little of it as is needed to find it again."""
    return name if re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", name) else "a name that is none"


def _up_to(most: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not 1 <= len(text) <= most:
            raise ValueError
        return text

    return read


def _member(values: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in values:
            raise ValueError
        return text

    return read


def _formed(pattern: str, read: Callable[[str], Any]) -> Callable[[str], Any]:
    compiled = re.compile(pattern)

    def checked(text: str) -> Any:
        if compiled.fullmatch(text) is None:
            raise ValueError
        return read(text)

    return checked


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text) is None or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return read
