"""Every error the exporter raises on purpose.

ExporterError
├── ConfigError          a setting is wrong: file, key path, remedy
├── SourceError          a source could not be read: `reason` is one of SOURCE_REASONS
│   └── AwsError         a call to AWS failed: with AWS's own code, and where
├── SqlError             a statement over trail logs failed, was cut off or cancelled
│   └── SqlRefused       a statement is none that is run: it is not one SELECT over the table
├── MalformedRecord      one record cannot be understood: `reason` is one of MALFORMED_REASONS
└── StoreError           the store cannot be opened, read or written
    └── TookTooLong      a search was cut off: ask for less
"""

from __future__ import annotations

SOURCE_REASONS = ("not_found", "access_denied", "credentials", "unreadable", "throttled", "unavailable", "internal")
"""Why a poll failed; the values of the label `reason` of the poll failure counter, so the set is closed."""

MALFORMED_REASONS = (
    "gzip",  # the stream is no gzip, or its checksum or length is wrong
    "truncated",  # the file ends in the middle of the stream or of a record
    "too_large",  # past the size bound (decompression bomb, monstrous record)
    "encoding",  # not UTF-8
    "json",  # not JSON, or nested too deeply
    "shape",  # JSON, but nothing that holds CloudTrail records
    "record",  # a record whose known field has a value of the wrong type
    "event_name",  # no usable eventName or eventSource
    "event_time",  # no usable eventTime
    "event_version",  # a major version other than 1
    "internal",  # our own fault: the parser failed in a way it should not
)
"""Why a record or a file was not understood; the values of `reason` where fate is malformed."""


class ExporterError(Exception):
    """The root of all errors raised on purpose; its text is fit to show to a person."""


class ConfigError(ExporterError):
    """The configuration is wrong; the text names file, key path and remedy, one problem a line."""


class SourceError(ExporterError):
    """A source could not be read."""

    def __init__(self, reason: str, message: str) -> None:
        assert reason in SOURCE_REASONS, reason
        super().__init__(message)
        self.reason = reason


class AwsError(SourceError):
    """A call to AWS failed; `operation` is as IAM spells it, `code` is AWS's own, `too_large` over a limit of ours, else empty."""

    def __init__(self, reason: str, message: str, operation: str = "", code: str = "") -> None:
        super().__init__(reason, message)
        self.operation, self.code = operation, code


class SqlError(ExporterError):
    """A statement over trail logs was refused, failed, ran too long or was cancelled; the text says what to do."""


class SqlRefused(SqlError):
    """A statement is not run, whatever the logs hold: the text says why, and what is run."""


class MalformedRecord(ExporterError):
    """One record, or one file of records, cannot be understood."""

    def __init__(self, reason: str, message: str) -> None:
        assert reason in MALFORMED_REASONS, reason
        super().__init__(message)
        self.reason = reason


class StoreError(ExporterError):
    """The store cannot be opened, read or written."""


class TookTooLong(StoreError):
    """A search was cut off at its time limit: nothing is wrong with the store, and asking for less helps."""
