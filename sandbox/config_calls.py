"""AWS Config's calls about recorders and what they recorded, which moto has not, or answers with an invented status.

Sources: AWS Config API reference, the operations below; developer guide, "Querying the current configuration state" (pages of 25).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox import json_answers
from sandbox.backend import Answer, Backend
from sandbox.calls import Call
from sandbox.config_items import written
from sandbox.config_query import LONGEST, InvalidExpressionError, parse
from sandbox.config_recording import Recorder, Recording, Version
from sandbox.identities import Identity
from sandbox.journal import Unit
from sandbox.moments import Clock
from sandbox.pages import InvalidTokenError, Pages

TARGET = "StarlingDoveService."
MOST_RESULTS = 100
_RESULTS = 25
_VERSIONS = 10
NO_TOKEN = "The nextToken provided is invalid"  # noqa: S105 - what AWS says of a wrong one


class ConfigCalls:
    """Answers those calls."""

    def __init__(self, backend: Backend, recording: Recording, clock: Clock) -> None:
        self._backend, self._recording, self._clock = backend, recording, clock
        self._pages = Pages()

    def operations(self) -> dict[tuple[str, str], Callable[[Call, Identity], Answer]]:
        """Return the operations, by service and action."""
        return {
            ("config", "DeleteConfigurationRecorder"): self._passed(self._recording.delete),
            ("config", "DescribeConfigurationRecorderStatus"): self._status,
            ("config", "DescribeConfigurationRecorders"): self._describe,
            ("config", "DescribeDeliveryChannelStatus"): self._delivery,
            ("config", "GetResourceConfigHistory"): self._history,
            ("config", "PutConfigurationRecorder"): self._put,
            ("config", "SelectResourceConfig"): self._select,
            ("config", "StartConfigurationRecorder"): self._passed(self._recording.start),
            ("config", "StopConfigurationRecorder"): self._passed(self._recording.stop),
        }

    def _ask(self, call: Call, unit: Unit, action: str = "", document: Any = None) -> Answer:
        asked = call.document or {} if document is None else document
        return self._backend.json_answer("config", TARGET + (action or call.action), *unit, asked)

    def _passed(self, then: Callable[[Unit], None]) -> Callable[[Call, Identity], Answer]:
        """Return an operation that moto answers, and that changes the recorder too."""

        def done(call: Call, identity: Identity) -> Answer:
            unit = (identity.account_id, call.region)
            answer = self._ask(call, unit)
            if answer.ok:
                then(unit)
            return answer

        return done

    def _put(self, call: Call, identity: Identity) -> Answer:
        unit = (identity.account_id, call.region)
        told = asked_of(call).get("ConfigurationRecorder") or {}
        wrong = _wrong_mode(told.get("recordingMode"))
        if wrong:
            return json_answers.failure("ValidationException", wrong)
        answer = self._ask(call, unit)
        if answer.ok:
            described = json.loads(self._ask(call, unit, "DescribeConfigurationRecorders", {}).body)["ConfigurationRecorders"]
            self._recording.put(unit, told, described[0].get("recordingGroup") or {})
        return answer

    def _describe(self, call: Call, identity: Identity) -> Answer:
        unit = (identity.account_id, call.region)
        answer, kept = self._ask(call, unit), self._recording.of(unit)
        if not answer.ok or kept is None:
            return answer
        body = json.loads(answer.body)
        for told in body["ConfigurationRecorders"]:
            told["recordingMode"] = {"recordingFrequency": "CONTINUOUS", **kept.mode}
        return json_answers.success(body)

    def _status(self, call: Call, identity: Identity) -> Answer:
        unit = (identity.account_id, call.region)
        answer, kept = self._ask(call, unit), self._recording.of(unit)
        if not answer.ok or kept is None:
            return answer
        body = json.loads(answer.body)
        body["ConfigurationRecordersStatus"] = [_told(kept) for _ in body["ConfigurationRecordersStatus"]]
        return json_answers.success(body)

    def _delivery(self, call: Call, identity: Identity) -> Answer:
        """Tell whether the stream of changes gets through: to a bucket that is there; snapshots and history files are never made."""
        unit = (identity.account_id, call.region)
        answer, kept = self._ask(call, unit, "DescribeDeliveryChannels"), self._recording.of(unit)
        if not answer.ok:
            return answer
        told = []
        for channel in json.loads(answer.body)["DeliveryChannels"]:
            stream: dict[str, Any] = {"lastStatus": "Not_Applicable"}
            if kept is not None and kept.changed_at is not None:
                stream = {"lastStatus": "SUCCESS", "lastStatusChangeTime": kept.changed_at.timestamp()}
                if not self._backend.has_bucket(channel["s3BucketName"]):
                    message = f"The bucket {channel['s3BucketName']} does not exist"
                    stream |= {"lastStatus": "FAILURE", "lastErrorCode": "NoSuchBucket", "lastErrorMessage": message}
            files: dict[str, Any] = {"configSnapshotDeliveryInfo": {}, "configHistoryDeliveryInfo": {}}
            told.append({"name": channel["name"], **files, "configStreamDeliveryInfo": stream})
        return json_answers.success({"DeliveryChannelsStatus": told})

    def _select(self, call: Call, identity: Identity) -> Answer:
        unit = (identity.account_id, call.region)
        versions = self._recording.current(unit, self._clock())
        return answer_query(self._pages, asked_of(call), [(unit, version) for version in versions], unit)

    def _history(self, call: Call, identity: Identity) -> Answer:
        asked, unit = asked_of(call), (identity.account_id, call.region)
        if self._recording.of(unit) is None:
            return json_answers.failure("NoAvailableConfigurationRecorderException", "There are no configuration recorders.")
        key = (str(asked.get("resourceType")), str(asked.get("resourceId")))
        versions = self._recording.history(unit, key)
        if not versions:
            message = f"Resource {key[1]:.200} of resourceType:{key[0]:.80} is unknown or has not been discovered"
            return json_answers.failure("ResourceNotDiscoveredException", message)
        try:
            earlier, later = (_moment(asked.get(name)) for name in ("earlierTime", "laterTime"))
        except (TypeError, ValueError, OverflowError):
            return json_answers.failure("ValidationException", "earlierTime and laterTime are numbers of seconds")
        if earlier is not None and later is not None and earlier > later:
            return json_answers.failure("InvalidTimeRangeException", "earlierTime must be before laterTime")
        limit = number_of(asked, ("limit",), _VERSIONS)
        if isinstance(limit, Answer):
            return limit
        found = [
            version
            for version in versions
            if (earlier is None or version.captured_at >= earlier) and (later is None or version.captured_at <= later)
        ]
        forward = asked.get("chronologicalOrder") == "Forward"
        request = (unit, key, earlier, later, forward)
        order = {version.number: place for place, version in enumerate(found if forward else reversed(found))}
        try:
            page = self._pages.page(found, lambda version: f"{order[version.number]:012}", limit, asked.get("nextToken"), request)
        except InvalidTokenError:
            return json_answers.failure("InvalidNextTokenException", NO_TOKEN)
        body: dict[str, Any] = {"configurationItems": [_item(unit, version) for version in page.members]}
        return json_answers.success(body | ({"nextToken": page.token} if page.token else {}))


def asked_of(call: Call) -> dict[str, Any]:
    """Return what a call says; nothing where it says no object."""
    return call.document if isinstance(call.document, dict) else {}


def number_of(asked: Mapping[str, Any], names: tuple[str, ...], unasked: int) -> int | Answer:
    """Return how many a page may have, from the first of some fields that is given; AWS's error where it is too much."""
    given = next((asked[name] for name in names if asked.get(name) is not None), 0)
    if not isinstance(given, int) or not 0 <= given <= MOST_RESULTS:
        return json_answers.failure("InvalidLimitException", f"The limit must be between 0 and {MOST_RESULTS}")
    return given or unasked


def answer_query(pages: Pages, asked: Mapping[str, Any], versions: list[tuple[Unit, Version]], request: object) -> Answer:
    """Return a page of what an advanced query finds among versions."""
    expression = asked.get("Expression")
    if not isinstance(expression, str) or len(expression) > LONGEST:
        return json_answers.failure("InvalidExpressionException", f"The expression must be a text of at most {LONGEST} characters")
    try:
        query = parse(expression)
    except InvalidExpressionError as error:
        return json_answers.failure("InvalidExpressionException", f"Unable to process the SQL expression: {error}")
    limit = number_of(asked, ("Limit", "MaxResults"), _RESULTS)
    if isinstance(limit, Answer):
        return limit
    items = [item for unit, version in versions if query.wants(item := _queried(unit, version))]
    try:
        page = pages.page(items, _place, limit, asked.get("NextToken"), (request, expression))
    except InvalidTokenError:
        return json_answers.failure("InvalidNextTokenException", NO_TOKEN)
    body: dict[str, Any] = {
        "Results": [json.dumps(query.selected(item), separators=(",", ":")) for item in page.members],
        "QueryInfo": {"SelectFields": [{"Name": column} for column in query.columns]},
    }
    return json_answers.success(body | ({"NextToken": page.token} if page.token else {}))


def _place(item: Mapping[str, Any]) -> str:
    return "\0".join((item["accountId"], item["awsRegion"], item["resourceType"], item["resourceId"]))


def _queried(unit: Unit, version: Version) -> dict[str, Any]:
    """Return a version as advanced queries see it: all of it plain, tags in a list."""
    resource = version.resource
    return {
        "accountId": unit[0],
        "arn": resource.arn,
        "availabilityZone": resource.zone,
        "awsRegion": unit[1],
        "configuration": resource.configuration,
        "configurationItemCaptureTime": written(version.captured_at),
        "configurationItemDeliveryTime": written(version.due),
        "configurationItemStatus": version.status,
        "configurationStateId": str(version.number),
        "recordingFrequency": version.frequency,
        "relationships": _relationships(version),
        "resourceId": resource.resource_id,
        "resourceName": resource.name or None,
        "resourceType": resource.kind,
        "supplementaryConfiguration": {},
        "tags": [{"key": key, "value": value, "tag": f"{key}={value}"} for key, value in resource.tags.items()],
        "version": "1.3",
    }


def _item(unit: Unit, version: Version) -> dict[str, Any]:
    """Return a version as a configuration item of the API: its configuration in a string, nothing of what is gone."""
    resource, gone = version.resource, version.is_gone
    return {
        "version": "1.3",
        "accountId": unit[0],
        "configurationItemCaptureTime": version.captured_at.timestamp(),
        "configurationItemDeliveryTime": version.due.timestamp(),
        "configurationItemStatus": version.status,
        "recordingFrequency": version.frequency,
        "configurationStateId": str(version.number),
        "configurationItemMD5Hash": "",
        "arn": resource.arn,
        "resourceType": resource.kind,
        "resourceId": resource.resource_id,
        **({"resourceName": resource.name} if resource.name else {}),
        "awsRegion": unit[1],
        "availabilityZone": resource.zone,
        "tags": {} if gone else dict(resource.tags),
        "relatedEvents": list(version.related),
        "relationships": [] if gone else _relationships(version),
        **({} if gone else {"configuration": json.dumps(resource.configuration, separators=(",", ":"))}),
        "supplementaryConfiguration": {},
    }


def _relationships(version: Version) -> list[dict[str, str]]:
    return [
        {"resourceType": kind, "resourceId": resource_id, "relationshipName": name}
        for kind, resource_id, name in version.resource.relationships
    ]


def _told(kept: Recorder) -> dict[str, Any]:
    """Return the status of a recorder."""
    times = {"lastStartTime": kept.started_at, "lastStopTime": kept.stopped_at, "lastStatusChangeTime": kept.changed_at}
    told: dict[str, Any] = {"name": kept.name, "recording": kept.recording}
    told |= {name: at.timestamp() for name, at in times.items() if at is not None}
    if kept.failing:
        message = "The recorder cannot read the configuration of resources"
        return told | {"lastStatus": "FAILURE", "lastErrorCode": kept.failing, "lastErrorMessage": message}
    return told | ({"lastStatus": "SUCCESS"} if kept.started_at is not None else {"lastStatus": "PENDING"})


def _wrong_mode(mode: Any) -> str:
    """Return what is wrong with a recording mode; nothing where it is right or absent."""
    if mode is None:
        return ""
    overrides = mode.get("recordingModeOverrides") or [] if isinstance(mode, dict) else None
    if overrides is None or not isinstance(overrides, list):
        return "recordingMode must be an object"
    frequencies = [mode.get("recordingFrequency"), *(one.get("recordingFrequency") for one in overrides)]
    return "" if set(frequencies) <= {"CONTINUOUS", "DAILY"} else "recordingFrequency must be CONTINUOUS or DAILY"


def _moment(value: Any) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(float(value), UTC)
