"""Value types of the configuration: durations, sizes, regions and accounts as people write them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

_DURATION_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 365 * 86400}
_SIZE_UNITS = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_REGION = re.compile(r"[a-z]{2,8}(-[a-z]+)+-\d{1,2}")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")

ALL = "all"
"""As a region: all that are enabled in the account."""


def parse_duration(value: object) -> timedelta:
    """Return the duration that `1h30m`, `60s`, `90d` or a number of seconds spells (Prometheus' notation)."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = f"{value}s"
    elif isinstance(value, str):
        text = value.strip()
    else:
        raise ValueError("must be a duration such as 60s, 5m, 1h30m or 400d")
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhdwy])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration; write it as 60s, 5m, 1h30m or 400d")
    try:
        return timedelta(seconds=sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError(f"{text!r} is too long a duration") from None


def format_duration(value: timedelta) -> str:
    """Return the shortest spelling that `parse_duration` reads back."""
    milliseconds = round(value.total_seconds() * 1000)
    out = ""
    for unit, length in (("d", 86400000), ("h", 3600000), ("m", 60000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, length)
        if count:
            out += f"{count}{unit}"
    return out or "0s"


def parse_size(value: object) -> int:
    """Return the number of bytes that `256MiB`, `10 MB` or a whole number spells."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"\s*(\d+)\s*([A-Za-z]*)\s*", value) if isinstance(value, str) else None
    if match is None or match.group(2) not in _SIZE_UNITS:
        raise ValueError("must be a size such as 256MiB, 10MB or a number of bytes")
    return int(match.group(1)) * _SIZE_UNITS[match.group(2)]


def format_size(value: int) -> str:
    """Return the size in the largest binary unit that divides it."""
    for unit in ("GiB", "MiB", "KiB"):
        if value and value % _SIZE_UNITS[unit] == 0:
            return f"{value // _SIZE_UNITS[unit]}{unit}"
    return str(value)


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than 0s")
    return value


def region_name(value: str) -> str:
    """Return the name of a region; raise ValueError where it is none."""
    if not _REGION.fullmatch(value):
        raise ValueError(f"{value!r:.80} is no region; write it as us-east-1")
    return value


def _region(value: str) -> str:
    if value != ALL and not _REGION.fullmatch(value):
        raise ValueError(f"{value!r:.80} is no region; write it as us-east-1, or write {ALL}")
    return value


def account_id(value: str) -> str:
    """Return an account id; raise ValueError where it is none."""
    if not _ACCOUNT_ID.fullmatch(value):
        raise ValueError(f"{value!r:.80} is no account id; write its 12 digits in quotes")
    return value


AnyDuration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
Duration = Annotated[timedelta, BeforeValidator(lambda value: _positive(parse_duration(value))), PlainSerializer(format_duration)]
Region = Annotated[str, AfterValidator(_region)]
"""A region, or ALL of them."""
RegionName = Annotated[str, AfterValidator(region_name)]
AccountId = Annotated[str, AfterValidator(account_id)]
Size = Annotated[int, BeforeValidator(parse_size), PlainSerializer(format_size)]


class Settings(BaseModel):
    """The base of every section: frozen, unknown keys are errors, every field has a description."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, validate_default=True)
