"""What a JSON document of records is, told by its content, never by its name.

Known are: trail files `{"Records": […]}`, answers of LookupEvents `{"Events": [{"CloudTrailEvent": "…"}]}` and their single
events, EventBridge events `{"detail-type": …, "detail": {…}}`, bare records, and arrays of any of these. CloudTrail
digests are known to hold no records. (AWS: CloudTrail log file examples; LookupEvents API; EventBridge events
delivered via CloudTrail; digest file structure.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import msgspec

from exporter.errors import MalformedRecord
from exporter.sources.scan import DECODE_ERRORS, load

_EXPLAINED = 8 * 2**20


class Kind(Enum):
    """What to do with a document."""

    RECORD = "record"  # `text` is a record
    RECORDS = "records"  # `text` is an array of records
    DOCUMENTS = "documents"  # `text` is an array of documents
    IGNORED = "ignored"  # `text` is the reason


@dataclass(frozen=True, slots=True)
class Document:
    """A document understood: its kind, and the text that this kind says."""

    kind: Kind
    text: bytes


class _Fields(msgspec.Struct, gc=False):
    Records: msgspec.Raw = msgspec.Raw()
    Events: msgspec.Raw = msgspec.Raw()
    CloudTrailEvent: msgspec.Raw = msgspec.Raw()
    detail: msgspec.Raw = msgspec.Raw()
    detail_type: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="detail-type")
    digestStartTime: msgspec.Raw = msgspec.Raw()  # noqa: N815 - all as AWS spells them
    eventVersion: msgspec.Raw = msgspec.Raw()  # noqa: N815
    eventID: msgspec.Raw = msgspec.Raw()  # noqa: N815
    eventTime: msgspec.Raw = msgspec.Raw()  # noqa: N815
    eventType: msgspec.Raw = msgspec.Raw()  # noqa: N815
    eventName: msgspec.Raw = msgspec.Raw()  # noqa: N815
    eventSource: msgspec.Raw = msgspec.Raw()  # noqa: N815
    userIdentity: msgspec.Raw = msgspec.Raw()  # noqa: N815

    def is_record(self) -> bool:
        known = (self.eventVersion, self.eventID, self.eventTime, self.eventType, self.eventName, self.eventSource, self.userIdentity)
        return any(map(bytes, known))


_FIELDS = msgspec.json.Decoder(_Fields)


def understand(raw: bytes) -> Document:
    """Return what one JSON value is; raise MalformedRecord where it is no JSON (json, encoding) or nothing known (shape)."""
    if raw[:1] == b"[":
        return Document(Kind.DOCUMENTS, raw)
    fields = _fields(raw)
    for value, kind in ((fields.Records, Kind.RECORDS), (fields.Events, Kind.DOCUMENTS)):
        array = bytes(value)
        if array[:1] == b"[":
            return Document(kind, array)
    if inner := bytes(fields.CloudTrailEvent):
        return Document(Kind.RECORD, _string(inner, "CloudTrailEvent").encode())
    if (detail := bytes(fields.detail)) and (detail_type := bytes(fields.detail_type)):
        if "CloudTrail" not in _string(detail_type, "detail-type"):
            return Document(Kind.IGNORED, b"not_watched")
        return Document(Kind.RECORD, detail)
    if bytes(fields.digestStartTime):
        return Document(Kind.IGNORED, b"digest")
    if fields.is_record():
        return Document(Kind.RECORD, raw)
    raise MalformedRecord("shape", "JSON that holds no CloudTrail records")


def _fields(raw: bytes) -> _Fields:
    try:
        return _FIELDS.decode(raw)
    except msgspec.ValidationError:
        raise MalformedRecord("shape", "JSON that is no object and no array") from None
    except DECODE_ERRORS:
        if len(raw) > _EXPLAINED:
            raise MalformedRecord("json", "not JSON") from None
    repaired, _ = load(raw)
    try:
        return _FIELDS.decode(repaired)
    except DECODE_ERRORS as error:
        raise MalformedRecord("json", f"not JSON: {error}") from None


def _string(raw: bytes, name: str) -> str:
    _, value = load(raw)
    if not isinstance(value, str):
        raise MalformedRecord("record", f"{name} is a {type(value).__name__}, not a text")
    return value
