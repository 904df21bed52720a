"""The checks in their order, and how they are run: none stops another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from exporter.doctor.access import accounts, clock, credentials, region, regions
from exporter.doctor.athena import athena
from exporter.doctor.base import FAULT, REPORT, Examination, Finding, finding
from exporter.doctor.local import configuration, store
from exporter.doctor.recorder import recorder
from exporter.doctor.standing import standing
from exporter.doctor.trails import trails
from exporter.errors import SourceError
from exporter.sources import SOURCES
from exporter.sources.base import Diagnosis, SourceSettings


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `needs` names those that must have found no failure before it makes sense to run it, `wanted` tells whether it is."""

    name: str
    run: Callable[[Examination], Iterator[Diagnosis]]
    needs: tuple[str, ...] = ()
    of_aws: bool = True
    wanted: Callable[[Examination], bool] = lambda _examination: True


CHECKS: tuple[Check, ...] = (
    Check("configuration", configuration, of_aws=False),
    Check("store", store, of_aws=False),
    Check("credentials", credentials),
    Check("region", region),
    Check("clock", clock, ("credentials", "region")),
    Check("accounts", accounts, ("credentials", "region")),
    Check("regions", regions, ("credentials", "region")),
    Check("trails", trails, ("credentials", "region")),
    Check("aws_config", recorder, ("credentials", "region")),
    Check("posture", standing, ("credentials", "region")),
    Check("athena", athena, ("credentials", "region"), wanted=lambda examination: examination.config.uses_athena),
)
"""Every check but those of the sources, which are as many as are configured and come last."""


def examine(examination: Examination) -> Iterator[Finding]:
    """Yield what each check finds, in their order; a check that fails by our own fault is a failure too."""
    failed: set[str] = set()
    for check in (*CHECKS, *(_source_check(settings) for settings in examination.config.sources)):
        if (check.of_aws and not examination.needs_aws) or not check.wanted(examination):
            continue
        missing = [name for name in check.needs if name in failed]
        if missing:
            yield Finding(check.name, "skipped", check.name, f"not tried: {' and '.join(missing)} failed")
            continue
        for diagnosis in _guarded(check, examination):
            if diagnosis.status == "failure":
                failed.add(check.name)
            yield finding(check.name, diagnosis)


def _source_check(settings: SourceSettings) -> Check:
    kind = SOURCES[settings.type]

    def run(examination: Examination) -> Iterator[Diagnosis]:
        found = False
        for diagnosis in kind.diagnose(settings, examination.aws if kind.needs_aws else None):
            found = True
            yield diagnosis
        if not found:
            yield Diagnosis("skipped", settings.name, "there is nothing to try beforehand")

    needs = ("credentials",) if kind.needs_aws else ()
    return Check(f"source {settings.name}", run, needs, of_aws=kind.needs_aws)


def _guarded(check: Check, examination: Examination) -> Iterator[Diagnosis]:
    try:
        yield from check.run(examination)
    except SourceError as error:
        yield Diagnosis("failure", check.name, str(error))
    except Exception as error:  # noqa: BLE001 - the boundary of one check: its fault is shown and must not hide what the others find
        yield Diagnosis("failure", check.name, f"{FAULT}: {type(error).__name__}: {error}", REPORT)
