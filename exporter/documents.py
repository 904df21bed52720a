"""A YAML file of settings becomes a frozen value, or an error that names file, key path and remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from exporter.errors import ConfigError
from exporter.settings import Settings

M = TypeVar("M", bound=Settings)

NO_SECRETS: Mapping[str, str] = MappingProxyType({})


class _Loader(yaml.SafeLoader):
    """YAML, where a key given twice is an error instead of a silent choice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int | float | bool | None) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice; keep one", key_node.start_mark)
            if isinstance(key, str):
                seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_date(self, node: yaml.ScalarNode) -> object:
        """Leave what only looks like a date (2027-02-30) as text, so that it is told with its key path."""
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError:
            return node.value


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_date)


def read_text(path: Path) -> str:
    """Return the text of a file; raise ConfigError that names it and the remedy."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; correct the path, or write the file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a directory; name a file in it") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read: not UTF-8 at byte {error.start}; save it as UTF-8 text") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}; let the exporter's user read it") from error


def read_yaml(text: str, where: str) -> Any:
    """Return the data that YAML text spells, None for none; `where` names it in errors."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader
    except yaml.reader.ReaderError as error:
        # The reader knows only the position, and people count lines.
        place = f"{text.count(chr(10), 0, error.position) + 1}:{error.position - text.rfind(chr(10), 0, error.position)}"
        raise ConfigError(f"{where}:{place}: not valid YAML: the character {text[error.position]!a}; remove it") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError(f"{where}{line}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    except RecursionError:
        raise ConfigError(f"{where}: not valid YAML: nested too deeply") from None


def checked(model: type[M], data: object, where: str, section: str, secrets: Mapping[str, str] = NO_SECRETS) -> M:
    """Return the settings that plain data spells; raise ConfigError with one line for each problem.

    `section` is one of theirs, as an example. `secrets` says of keys whose values are never shown what they must be.
    """
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: must be a mapping of sections, such as `{section}:`, not {type(data).__name__}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        items = error.errors(include_url=False)
        lines = [f"{where}: {_key_path(item['loc'], data)}: {_remedy(item, secrets)}" for item in items]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None


def _key_path(loc: Sequence[str | int], data: object) -> str:
    """Spell a pydantic location as a person would, leaving out the union tags that the file does not have."""
    path = ""
    for part in loc:
        if isinstance(part, int) and not isinstance(data, dict):
            path += f"[{part}]"
            data = data[part] if isinstance(data, list | tuple) and part < len(data) else None
        elif isinstance(data, dict) and part not in data and data.get("type") == part:
            continue
        else:
            path += f".{part}" if path else str(part)
            data = data.get(part) if isinstance(data, dict) else None
    return path or "(top level)"


def _remedy(item: Any, secrets: Mapping[str, str]) -> str:
    kind, context = item["type"], item.get("ctx") or {}
    for key in item["loc"]:
        if key in secrets:
            # Errors end up in logs and tickets, and what is wrong with a secret may be that it is nearly right.
            return f"{secrets[key]} (what is there is not shown, because it is secret)"
    if kind == "extra_forbidden":
        return "unknown key; remove it or correct its spelling"
    if kind == "missing":
        return "is required; add it"
    if kind == "value_error":
        return str(context.get("error", item["msg"]))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        expected = context.get("expected_tags") or "the source types"
        given = item["input"].get("type") if isinstance(item["input"], Mapping) else None
        return f"needs a `type`, one of {expected}" + (f", not {given!r:.80}" if given is not None else "")
    if kind in ("model_type", "model_attributes_type", "dict_type", "mapping_type"):
        return f"must be a mapping of keys, not {item['input']!r:.80}"
    if kind in ("tuple_type", "list_type"):
        return f"must be a list, not {item['input']!r:.80}"
    if kind == "string_type" and isinstance(item["input"], int | float):
        return f"must be text, not the number {item['input']!r:.80}; put it in quotes"
    if kind in ("bool_type", "bool_parsing"):
        return f"must be true or false, not {item['input']!r:.80}"
    if kind in ("int_type", "int_parsing", "int_from_float"):
        return f"must be a whole number, not {item['input']!r:.80}"
    if kind == "path_type":
        return f"must be a path, not {item['input']!r:.80}"
    if kind == "invalid_key":
        return "unknown key; remove it or correct its spelling"
    message = re.sub(r"^(Input|String|Value) should ", "Must ", str(item["msg"]))
    shown = item.get("input")
    return f"{message[0].lower()}{message[1:]}" + (f", not {shown!r:.80}" if isinstance(shown, str | int | float | bool | None) else "")
