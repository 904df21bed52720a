"""Whether `query` and `history --from athena` can work: workgroup and table of the section `athena`, where the configuration has one."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.doctor.base import Examination, configured_regions
from exporter.sources.athena_checks import diagnose
from exporter.sources.base import Diagnosis
from exporter.sql.athena_access import caller_of


def athena(examination: Examination) -> Iterator[Diagnosis]:
    """Look at them; the sources of type `athena` look at their own."""
    config = examination.config
    yield from diagnose(config.athena, caller_of(config.athena, examination.aws, configured_regions(config)), "athena")
