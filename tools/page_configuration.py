"""docs/configuration.md, from the models that check the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import AwareDatetime, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from exporter.config import Config
from exporter.settings import Settings, format_duration, format_size, parse_size
from exporter.sources import SourceConfig
from tools.markdown import code, notice, page, table

HEADER = ("Key", "Type", "Default", "Description")

INTRODUCTION = """
The exporter reads one YAML file, named by `--config.file` or by the environment variable `AWS_CHANGE_EXPORTER_CONFIG`.
Every key is optional unless its default says *required*. A key that is not listed here is an error, and so is a key given
twice; an error names the file, the path of the key and the remedy. `aws-change-exporter check-config FILE` checks a file
without starting anything.

- A *duration* is written `60s`, `5m`, `1h30m` or `400d` (units `ms`, `s`, `m`, `h`, `d`, `w`, `y`); a bare number means seconds.
- A *size* is written `256MiB`, `10MB` or as a number of bytes.
- A *time* is written `2026-01-31T00:00:00Z`, or `2026-01-31`; without an offset it is UTC.
- A relative path starts at the working directory of the process.
"""


def configuration_page(example: str) -> str:
    """Return the page: every key with type, default and description, then the example file."""
    blocks = [notice("the models in exporter/config.py and exporter/sources"), "# Configuration", INTRODUCTION]
    for name, field in Config.model_fields.items():
        blocks += [f"## {name}", field.description or ""]
        if name == "sources":
            blocks += [text for kind in settings_types(SourceConfig) for text in _source(kind)]
        else:
            blocks.append(table(HEADER, [row for kind in settings_types(field.annotation) for row in rows(kind, f"{name}.")]))
    blocks += ["## An example", f"```yaml\n{example.strip()}\n```"]
    return page(*blocks)


def _source(kind: type[Settings]) -> tuple[str, str, str]:
    values = get_args(kind.model_fields["type"].annotation)
    if not values or not kind.__doc__:
        raise ValueError(f"{kind.__name__} needs a `type` that is a Literal, by which it is chosen, and a docstring")
    return f"### sources of type {values[0]}", kind.__doc__.strip().splitlines()[0], table(HEADER, rows(kind, "sources[]."))


def rows(kind: type[Settings], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield key path, type, default and description of every field of a section and of the sections inside it."""
    for name, field in kind.model_fields.items():
        if not field.description:
            raise ValueError(f"{kind.__name__}.{name} has no description")
        path = f"{prefix}{field.alias or name}"
        yield code(path), type_name(field.annotation, field.metadata), default_text(field), field.description
        inner = "[]." if _is_list(field.annotation) else "."
        for section in settings_types(field.annotation):
            yield from rows(section, path + inner)


def settings_types(annotation: Any) -> Iterator[type[Settings]]:
    """Yield the sections that an annotation holds, through Annotated, unions, lists and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from settings_types(argument)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in (tuple, list)


def type_name(annotation: Any, metadata: Any = ()) -> str:
    """Return what a person would call a type; raise where a new kind of type has no name yet."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(arguments[0], arguments[1:])
    if origin is Literal:
        return " or ".join(code(str(value)) for value in arguments)
    if _is_list(annotation):
        return f"list of {_plural(type_name(arguments[0]))}"
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of {_plural(type_name(arguments[0]))} to {type_name(arguments[1])}"
    if origin is not None:  # a union; that a key may be left out is said by its default
        return " or ".join(type_name(argument) for argument in arguments if argument is not type(None))
    if annotation is float:
        return "number" + _bounds(metadata)
    if annotation is int:
        return (
            "size"
            if any(isinstance(item, BeforeValidator) and item.func is parse_size for item in metadata)
            else "number" + _bounds(metadata)
        )
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return "section"
    if annotation not in NAMES:
        raise ValueError(f"{annotation} has no name for people yet; give it one in NAMES")
    return NAMES[annotation]


NAMES: Mapping[Any, str] = {
    bool: "`true` or `false`",
    str: "text",
    SecretStr: "text",
    Path: "path",
    timedelta: "duration",
    AwareDatetime: "time",
    datetime: "time",
}


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, Settings) else value


def _plural(name: str) -> str:
    return name if name.startswith(("list", "mapping", "`", "text")) else name + "s"


def _bounds(metadata: Any) -> str:
    above = next((item.gt for item in metadata if hasattr(item, "gt")), None)
    low = next((item.ge for item in metadata if hasattr(item, "ge")), None)
    high = next((item.le for item in metadata if hasattr(item, "le")), None)
    if above is not None:
        return f" above {above}" + (f" up to {high}" if high is not None else "")
    if low is None and high is None:
        return ""
    return f" from {low}" + (f" to {high}" if high is not None else "") if low is not None else f" up to {high}"


def default_text(field: FieldInfo) -> str:
    """Return the default of a field as it would stand in the file."""
    if field.is_required():
        return "*required*"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Settings):
        return ""
    if isinstance(value, timedelta):
        return code(format_duration(value))
    if type_name(field.annotation, field.metadata) == "size":
        return code(format_size(value))
    if isinstance(value, Path):
        return code(str(value))
    if value is None or value == "":
        return ""
    plain = [_plain(item) for item in value] if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value
    return code(yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=10_000).removesuffix("\n...\n").strip())
