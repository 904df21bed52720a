"""The configuration: one frozen value that cannot exist unvalidated, read from YAML.

Every error names the file, the key path and the remedy. Sections are pydantic models, so that the
documentation and the schema come from the same place as the checks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator

from exporter.aws import AwsSettings
from exporter.catalog import DEFAULT_WATCH_SETS, WATCH_SETS
from exporter.checks import STATE_FAMILIES
from exporter.documents import checked, read_text, read_yaml
from exporter.families import FAMILIES
from exporter.forecast import FORECAST_FAMILIES, BaselineSettings
from exporter.posture.judge import Judge
from exporter.posture.ports import DEFAULT_PORT_CLASSES, PortRanges, parse_ports
from exporter.posture.settings import NAME, PostureSettings
from exporter.rules import AlertSettings
from exporter.settings import AnyDuration, Duration, Settings
from exporter.sources import SOURCES, SourceConfig, default_sources
from exporter.sql.settings import AthenaSettings
from exporter.store.place import is_url


def _not_blank(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("must not be empty; name a file")
    return value


class StoreSettings(Settings):
    """Where events and counts are kept."""

    path: Annotated[Path, BeforeValidator(_not_blank)] = Field(
        default=Path("aws-change-exporter.db"), description="SQLite file; its directory must exist and be writable."
    )
    url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL database in place of a file, for several replicas: `postgresql://user@host:5432/database`, with libpq's "
        "settings after a `?`. The password is best left out of it: libpq takes it from `PGPASSWORD` or a passfile. No error, log line or "
        "page shows it. See postgresql.md.",
    )
    retention: Duration = Field(
        default=timedelta(days=400),
        description="How long `serve` keeps events, from their own time or from when they were stored, whichever is later. "
        "Forgetting them lowers no counter, and no event counts twice.",
    )
    replicas: bool | None = Field(
        default=None,
        description="Whether several processes of `serve` share the units that are polled, as they share the store: each unit is polled by "
        "one of them, and by another when that one is gone. By default where `url` is given.",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_place(cls, data: object) -> object:
        if isinstance(data, dict) and data.get("path") is not None and data.get("url") is not None:
            raise ValueError("`path` and `url` are both given; keep `path` for SQLite, or `url` for PostgreSQL")
        return data

    @field_validator("url")
    @classmethod
    def _postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not is_url(url.get_secret_value()):
            raise ValueError("not the URL of a PostgreSQL database")
        return url

    @property
    def shares_units(self) -> bool:
        """Whether each unit is polled by one of several processes."""
        return self.url is not None if self.replicas is None else self.replicas

    @property
    def where(self) -> Path | str:
        """The path or the URL; a URL may hold a password (`exporter.store.shown` leaves it out)."""
        return self.path if self.url is None else self.url.get_secret_value()

    @property
    def key(self) -> str:
        """Which of the settings names the place, as errors tell it."""
        return "store.path" if self.url is None else "store.url"


class EventPattern(Settings):
    """Further calls to watch, by event source and event name."""

    event_source: str = Field(
        min_length=1, max_length=128, description="Event source to match, for example `s3.amazonaws.com`; `*` matches anything."
    )
    event_name: str = Field(
        min_length=1, max_length=128, description="Event name to match, for example `PutBucket*`; `*` matches anything."
    )

    @field_validator("event_source")
    @classmethod
    def _full_name(cls, event_source: str) -> str:
        if event_source and "." not in event_source and "*" not in event_source:
            raise ValueError(f"{event_source!r} matches nothing; write it as CloudTrail does, for example {event_source}.amazonaws.com")
        return event_source


def _known_set(name: str) -> str:
    if name not in WATCH_SETS:
        raise ValueError(f"unknown watch set {name!r}; choose from {', '.join(WATCH_SETS)}")
    return name


class WatchSettings(Settings):
    """Which calls are changes worth recording."""

    sets: tuple[Annotated[str, AfterValidator(_known_set)], ...] = Field(
        default=DEFAULT_WATCH_SETS, description="Watch sets to record: " + ", ".join(f"`{name}`" for name in WATCH_SETS) + "."
    )
    events: tuple[EventPattern, ...] = Field(
        default=(), description="Further calls to record, by pattern; always matched with their event source."
    )

    @model_validator(mode="after")
    def _something(self) -> WatchSettings:
        if not self.sets and not self.events:
            raise ValueError("nothing is watched; name at least one watch set or event pattern")
        return self


class MetricsSettings(Settings):
    """How metrics are shown."""

    birth_hold: AnyDuration = Field(
        default=timedelta(minutes=2),
        description="How long a new counter series is shown at 0 before it takes its value: two of Prometheus' scrape intervals, "
        "because `increase()` does not see the first sample of a series.",
    )
    budgets: Mapping[str, Annotated[int, Field(ge=1, le=1_000_000)]] = Field(
        default_factory=dict,
        description="Series budget by metric family, where the default does not fit; past it series fold into `__other__`.",
    )

    @field_validator("budgets")
    @classmethod
    def _known_families(cls, budgets: Mapping[str, int]) -> Mapping[str, int]:
        names = [family.name for family in (*FAMILIES, *FORECAST_FAMILIES, *STATE_FAMILIES)]
        for name in budgets:
            if name not in names:
                raise ValueError(f"unknown metric family {name!r}; choose from {', '.join(names)}")
        return budgets


class WebSettings(Settings):
    """What the web endpoints tell of themselves, and to whom; TLS and logins are in the file of `--web.config.file`."""

    external_url: str = Field(
        default="",
        description="URL under which people reach the exporter, for links in alerts; without it they lead to the address that Prometheus "
        "scrapes.",
    )
    metrics_without_login: bool = Field(
        default=False,
        description="Whether `/metrics` answers without login where `--web.config.file` names users, so that Prometheus needs no password.",
    )
    health_without_login: bool = Field(
        default=False,
        description="Whether `/-/healthy` and `/-/ready` answer without login where `--web.config.file` names users: probes cannot log in.",
    )
    search_rate: float = Field(
        default=20.0,
        ge=0,
        le=10_000,
        description="Searches of the history that one client address may make each second in the long run; 0 for any number. "
        "`/metrics` is never limited.",
    )
    search_burst: int = Field(
        default=60, ge=1, le=100_000, description="Searches that one client address may make at once before `search_rate` holds it back."
    )

    @field_validator("external_url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://[^\s]+", url):
            raise ValueError(f"{url!r:.80} is no web address; write it as https://changes.example.com")
        return url


# YAML reads an unquoted 22 as a number.
PortEntry = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) and not isinstance(value, bool) else value)]


class PortClassSettings(Settings):
    """Which ports belong to which class of `port_class`."""

    classes: Mapping[str, tuple[PortEntry, ...]] = Field(
        default_factory=dict,
        description="Ports by class, replacing that class's default list: entries such as `22`, `8000-8100` (tcp) or `161/udp`. "
        "Classes: " + ", ".join(f"`{name}`" for name in DEFAULT_PORT_CLASSES) + ".",
    )

    @field_validator("classes")
    @classmethod
    def _readable(cls, classes: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for name, entries in classes.items():
            if name not in DEFAULT_PORT_CLASSES:
                raise ValueError(f"unknown port class {name!r}; choose from {', '.join(DEFAULT_PORT_CLASSES)}")
            parse_ports(entries)
        return classes

    def ranges(self) -> dict[str, PortRanges]:
        """Return the port ranges of every class, defaults filled in."""
        return {name: parse_ports(self.classes.get(name, entries)) for name, entries in DEFAULT_PORT_CLASSES.items()}


class Config(Settings):
    """The whole configuration."""

    store: StoreSettings = Field(default_factory=StoreSettings, description="Where events and counts are kept.")
    sources: tuple[SourceConfig, ...] = Field(
        default_factory=default_sources,
        description="Where change events come from; each source type has keys of its own, below. Without any: one source `cloudtrail`.",
    )
    aws: AwsSettings = Field(default_factory=AwsSettings, description="Which accounts and regions of AWS are watched, and as whom.")
    watch: WatchSettings = Field(default_factory=WatchSettings, description="Which calls are changes worth recording.")
    posture: PostureSettings = Field(default_factory=PostureSettings, description="What is read of what stands open now.")
    baseline: BaselineSettings = Field(
        default_factory=BaselineSettings, description="From what the exporter learns how many changes an hour of the week usually brings."
    )
    metrics: MetricsSettings = Field(default_factory=MetricsSettings, description="How metrics are shown.")
    athena: AthenaSettings = Field(
        default_factory=AthenaSettings, description="Where Athena finds trail logs, for `query` and `history --from athena`."
    )
    port_classes: PortClassSettings = Field(default_factory=PortClassSettings, description="Which ports belong to which class.")
    web: WebSettings = Field(default_factory=WebSettings, description="What the web endpoints tell of themselves, and to whom.")
    alerts: AlertSettings = Field(
        default_factory=AlertSettings, description="What the alert rules that `aws-change-exporter rules` prints look like at this site."
    )

    @field_validator("sources")
    @classmethod
    def _unique_names(cls, sources: tuple[SourceConfig, ...]) -> tuple[SourceConfig, ...]:
        names: set[str] = set()
        for index, source in enumerate(sources):
            if source.name in names:
                raise ValueError(f"two sources are named {source.name!r}; give sources[{index}] another `name`")
            if source.name == NAME:
                raise ValueError(f"the name {NAME!r} is that of the readings of what stands; give sources[{index}] another `name`")
            names.add(source.name)
        return sources

    @property
    def reads_posture(self) -> bool:
        """Whether what stands is read."""
        if self.posture.enabled is None:
            return any(SOURCES[settings.type].needs_aws for settings in self.sources)
        return self.posture.enabled

    def judge(self) -> Judge:
        """Return a judge by the port classes, the internet and the exceptions of this configuration."""
        return Judge(self.port_classes.ranges(), self.posture.internet, self.posture.exceptions)

    @property
    def uses_athena(self) -> bool:
        """Whether the section `athena` is given: then `iam-policy` and `doctor` mind it, too."""
        return "athena" in self.model_fields_set

    @property
    def needs_aws(self) -> bool:
        """Whether anything is read from AWS."""
        return self.reads_posture or any(SOURCES[settings.type].needs_aws for settings in self.sources)


_SECRETS = {
    "external_id": "must be text, in quotes, of at most 1224 characters",
    "url": "must be the URL of a PostgreSQL database, such as postgresql://user@host:5432/database",
}


def load(path: Path) -> Config:
    """Read and check a configuration file; raise ConfigError that names file, key path and remedy."""
    return parse(read_text(path), str(path))


def parse(text: str, where: str) -> Config:
    """Return the configuration that YAML text spells; `where` names it in errors."""
    data = read_yaml(text, where)
    return validate({} if data is None else data, where)


def validate(data: object, where: str) -> Config:
    """Return the configuration that plain data spells; raise ConfigError with one line for each problem."""
    return checked(Config, data, where, "sources", _SECRETS)


def default_path() -> Path | None:
    """Return the configuration file that the environment names, if any."""
    value = os.environ.get("AWS_CHANGE_EXPORTER_CONFIG")
    return Path(value) if value else None
