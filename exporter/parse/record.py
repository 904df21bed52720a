"""A CloudTrail record becomes a ChangeEvent: the one way in, for records from every source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from exporter.catalog import LONGEST_NAME, EventSpec, Kind, Watch
from exporter.errors import MalformedRecord
from exporter.model import ChangeEvent, Ignored, Outcome, RuleChange
from exporter.parse.call import Call
from exporter.parse.call import opened as open_call
from exporter.parse.channel import channel
from exporter.parse.dialect import lowered, text, truth
from exporter.parse.identity import event_id, fingerprint, shared_event_id
from exporter.parse.moment import check_version, event_time
from exporter.parse.outcome import outcome
from exporter.parse.principal import principal
from exporter.parse.rules import RuleReading, read_rules
from exporter.parse.touched import Touched, touched

Opened = Callable[[tuple[RuleChange, ...]], tuple[str, ...]]
"""Tells the port classes that rule changes opened to the internet."""

_UNKNOWN = "unknown"
_RULE_KINDS = frozenset(
    (
        Kind.AUTHORIZE_INGRESS,
        Kind.AUTHORIZE_EGRESS,
        Kind.REVOKE_INGRESS,
        Kind.REVOKE_EGRESS,
        Kind.LEGACY_AUTHORIZE,
        Kind.LEGACY_REVOKE,
        Kind.MODIFY_RULES,
        Kind.DESCRIBE_INGRESS,
        Kind.DESCRIBE_EGRESS,
    )
)
# Records of these types have no request by nature, so its absence leaves nothing unknown.
_WITHOUT_REQUEST = ("AwsServiceEvent", "AwsConsoleAction", "AwsConsoleSignIn")


class RecordParser:
    """Turns CloudTrail records into events. Holds nothing that changes; safe to use from several threads."""

    def __init__(self, watch: Watch, opened: Opened) -> None:
        self._watch = watch
        self._opened = opened

    def parse(self, record: Mapping[str, Any], raw: bytes) -> ChangeEvent | Ignored:
        """Return the event that a decoded record tells of, or why it is not wanted.

        `raw` is the record's JSON text and travels with the event. Raises MalformedRecord, with a reason of
        MALFORMED_REASONS, and nothing else.
        """
        try:
            return self._parse(record, raw)
        except MalformedRecord:
            raise
        except Exception as error:
            # The boundary of the parser: one record that defeats it is counted and named by the caller and must
            # not take the rest of its batch along. The tests hold that no JSON value gets here.
            raise MalformedRecord("internal", f"{type(error).__name__} in the parser: {error}"[:1024]) from error

    def _parse(self, record: Mapping[str, Any], raw: bytes) -> ChangeEvent | Ignored:
        if not isinstance(record, Mapping):
            raise MalformedRecord("record", f"a record is a JSON object, not {type(record).__name__}")
        top = {key.lower(): value for key, value in record.items()}
        identity = lowered(top.get("useridentity"))
        recipient = text(top.get("recipientaccountid"), 64)
        account = recipient or text(identity.get("accountid"), 64) or _UNKNOWN
        region = text(top.get("awsregion"), 64) or _UNKNOWN
        if top.get("eventcategory") == "Insight" or top.get("eventtype") == "AwsCloudTrailInsight":
            return Ignored("insight", account, region)
        event_source, event_name = _name(top, "eventsource"), _name(top, "eventname")
        spec = self._watch.spec(event_source, event_name)
        if spec is None:
            return Ignored("not_watched", account, region)
        if _is_copy(top):
            return Ignored("network_activity", account, region)
        check_version(top.get("eventversion"))
        moment = event_time(top.get("eventtime"))
        call = open_call(spec, top)
        subjects = touched(call)
        error_code = text(top.get("errorcode"), 256)
        error_message = text(top.get("errormessage"), 1024)
        result = outcome(error_code, error_message)
        rules = read_rules(call) if result is Outcome.SUCCESS else RuleReading()
        if rules.noop:
            result = Outcome.NOOP
        if _concerns_no_group(call, subjects, result):
            return Ignored("no_security_group", account, region)
        user_agent = text(top.get("useragent"), 1024)
        own_id, supersedes = event_id(record, top)
        return ChangeEvent(
            event_id=own_id,
            event_time=moment,
            account_id=account,
            region=region,
            event_source=event_source,
            event_name=event_name,
            outcome=result,
            channel=channel(top, identity, user_agent),
            principal=principal(identity, recipient, top.get("sourceipaddress"), user_agent),
            error_code=error_code,
            error_message=error_message,
            security_groups=subjects.groups,
            resources=subjects.resources,
            rule_changes=rules.changes,
            content_known=result is not Outcome.SUCCESS or _content_known(call, subjects, rules),
            watch_set=spec.watch_set,
            opened_port_classes=self._opened(rules.changes) if _may_open(spec, rules) else (),
            shared_event_id=shared_event_id(top),
            supersedes=supersedes,
            fingerprint=fingerprint(top),
            raw=raw,
        )


def _name(top: Mapping[str, Any], key: str) -> str:
    value = top.get(key)
    if not isinstance(value, str) or not value or len(value) > LONGEST_NAME:
        raise MalformedRecord("event_name", f"{key} is missing, is no text or has over {LONGEST_NAME} characters")
    return text(value, LONGEST_NAME) or ""


def _is_copy(top: Mapping[str, Any]) -> bool:
    """Tell the copy of a call that the owner of the VPC endpoint on its way gets: the call has a record of its own.

    What the endpoint's policy denied never reached the service, so that record may be the only one (CloudTrail user
    guide, network activity events).
    """
    network = top.get("eventcategory") == "NetworkActivity" or top.get("eventtype") in ("AwsVpceEvents", "AwsVpceEvent")
    return network and top.get("errorcode") != "VpceAccessDenied"


def _concerns_no_group(call: Call, subjects: Touched, result: Outcome) -> bool:
    """Tell an attachment call that names no group, or tags of something else, from one AWS left the request out of.

    Denied calls have no request in some services, and changed nothing: those are not wanted.
    """
    if call.spec.whole:
        return False
    if call.spec.kind is Kind.TAGS:
        concerned = bool(subjects.resources)
    elif call.spec.kind is Kind.ATTACHMENT:
        concerned = bool(subjects.groups)
    else:
        return False
    hidden = truth(call.request.get("omitted")) or (result is Outcome.SUCCESS and call.request_left_out and not _has_no_request(call))
    return not concerned and not hidden


def _may_open(spec: EventSpec, rules: RuleReading) -> bool:
    """Entries of a prefix list open nothing by themselves, so only rules of groups are asked about."""
    return bool(rules.changes) and spec.kind in _RULE_KINDS


def _content_known(call: Call, subjects: Touched, rules: RuleReading) -> bool:
    """Return whether the record of a successful call tells what it changed."""
    if call.spec.kind in _RULE_KINDS:
        return bool(rules.changes)
    if not call.request_left_out or _has_no_request(call):
        return True
    if call.spec.kind in (Kind.ATTACHMENT, Kind.TAGS, Kind.PREFIX_LIST) or truth(call.request.get("omitted")):
        return False
    answered = any(key not in ("omitted", "reason", "requestid", "_return", "return", "xmlns") for key in call.response)
    return bool(subjects.groups or subjects.resources) or answered


def _has_no_request(call: Call) -> bool:
    return call.top.get("eventtype") in _WITHOUT_REQUEST or truth(call.top.get("readonly")) is True
