"""Whether what stands can be read: every reader asks once for all that it asks for, so that each permission is tried."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.doctor.base import Examination, denial, failure, in_parallel, who
from exporter.errors import SourceError
from exporter.posture.standing import Reading
from exporter.snapshots import ReadContext, Reader, readers
from exporter.sources.base import Diagnosis


def posture(examination: Examination) -> Iterator[Diagnosis]:
    """Read what stands of every account and region."""
    if not examination.config.reads_posture:
        yield Diagnosis("skipped", "posture", "what stands is not read (posture.enabled)")
        return
    principals = {account.account_id: who(account) for account in examination.accounts}
    found = readers(examination.config.posture, examination.aws)
    for failed in found.failures:
        yield failure(" ".join(filter(None, (failed.account_id, failed.region))) or "posture", failed.error)

    def read(reader: Reader) -> list[Diagnosis]:
        subject = " ".join(filter(None, (reader.account_id, reader.region))) or "aggregator"
        try:
            return [
                diagnosis
                for reading in reader.read(ReadContext(examination.now))
                for diagnosis in _judged(reading, principals.get(reading.account_id, "hub"))
            ]
        except SourceError as error:
            return [failure(subject, error, principals.get(reader.account_id, "hub"))]

    for diagnoses in in_parallel(read, found.readers):
        yield from diagnoses


def _judged(reading: Reading, principal: str) -> Iterator[Diagnosis]:
    subject = f"{reading.account_id} {reading.region}"
    for failed in reading.failures:
        remedy = denial(failed.error, principal)
        yield Diagnosis("failure", f"{subject}: {failed.part.value.replace('_', ' ')}", str(failed.error), remedy)
    if reading.groups is not None:
        rules = sum(len(group.rules) for group in reading.groups)
        yield Diagnosis("ok", subject, f"{len(reading.groups)} security groups with {rules} rules can be read from {reading.origin.value}")
