"""What the sandbox answers for itself, under `/-/`: readiness, the log of actions, records that go in and all that there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from sandbox.actions import ActionLog
from sandbox.backend import Answer, Environ
from sandbox.config_aggregators import STATUSES, ConfigAggregators
from sandbox.config_recording import Recording
from sandbox.faults import changed
from sandbox.gate import Gate
from sandbox.journal import Journal, Unit, moment_of
from sandbox.records import Record
from sandbox.schedule import Schedule

_NEEDED = ("eventName", "eventSource", "eventTime", "awsRegion", "recipientAccountId")
_JSON = (("Content-Type", "application/json"),)
_LINES = (("Content-Type", "application/x-ndjson"),)


class Control:
    """Answers requests that no AWS service has.

    - `GET /-/ready`: as soon as it serves.
    - `GET /-/actions`: which IAM actions were asked for, by whom, how often; `DELETE` begins anew.
    - `POST /-/records`: keep records, a JSON array or an object with `Records`, as if their calls had been made now. With
      `?past=true` they are told to nobody and only stand in Event history. `?recorded=true` is for records from elsewhere: they
      are kept as they stand, nothing is filled in, and stand in Event history from their own time on.
    - `POST /-/unrecorded`: while `{"on": true}`, calls are done and leave no record; `{"on": false}` ends it.
    - `POST /-/config/daily`: AWS Config's day is over, in every account and region; what is recorded daily is recorded.
    - `POST /-/config/recorder`: a recorder fails, or works again, as `{"account_id": …, "region": …, "error_code": "AccessDenied"}`
      says; "" is none.
    - `POST /-/config/sources`: a source of aggregators fails, falls behind or succeeds again: `{"account_id": …, "region": …,
      "status": "FAILED"}`.
    - `POST /-/faults`: changes what goes wrong with reads of EC2 and AWS Config, by the names in `Faults`.
    - `GET /-/world`: what there is to be read where the activity acts (accounts, roles, bucket, queues); empty until it does.
    - `GET /-/truth`: a JSON line for each record there is, whether a road has told it yet or not; `?brief=true` leaves out the records.
    """

    def __init__(
        self, actions: ActionLog, journal: Journal, keep: Schedule, config: Recording, aggregators: ConfigAggregators, gate: Gate
    ) -> None:
        self._actions, self._journal, self._keep = actions, journal, keep
        self._config, self._aggregators, self._gate = config, aggregators, gate
        self.unrecorded = False
        self.world: Mapping[str, Any] = {}
        self._routes: Mapping[tuple[str, str], Callable[[Mapping[str, str], bytes], Answer]] = {
            ("GET", "/-/ready"): lambda _asked, _body: _said({"ready": True}),
            ("GET", "/-/actions"): lambda _asked, _body: _said(self._actions.rows()),
            ("DELETE", "/-/actions"): self._reset,
            ("POST", "/-/records"): self._records,
            ("POST", "/-/unrecorded"): self._unrecorded,
            ("POST", "/-/config/daily"): lambda _asked, _body: _said({"ended": self._config.end_day()}),
            ("POST", "/-/config/recorder"): self._strike_recorder,
            ("POST", "/-/config/sources"): self._strike_source,
            ("POST", "/-/faults"): self._strike,
            ("GET", "/-/truth"): self._truth,
            ("GET", "/-/world"): lambda _asked, _body: _said(self.world),
        }

    def answer(self, environ: Environ, body: bytes) -> Answer:
        """Return the answer to a request."""
        method, path = environ.get("REQUEST_METHOD", "GET"), environ.get("PATH_INFO", "")
        route = self._routes.get(("GET" if method == "HEAD" else method, path))
        if route is None:
            known = ", ".join(f"{verb} {place}" for verb, place in self._routes)
            return _said({"error": f"no {method} {path:.80} here; there is {known}"}, HTTPStatus.NOT_FOUND)
        return route(dict(parse_qsl(environ.get("QUERY_STRING", ""))), body)

    def _reset(self, _asked: Mapping[str, str], _body: bytes) -> Answer:
        self._actions.reset()
        return _said({"reset": True})

    def _records(self, asked: Mapping[str, str], body: bytes) -> Answer:
        recorded = asked.get("recorded") == "true"
        try:
            given = json.loads(body)
            records = list(_whole(given) if recorded else _complete(given))
        except ValueError as error:
            return _said({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        keep = self._keep.recorded if recorded else self._keep.past if asked.get("past") == "true" else self._keep
        for record in records:
            keep(record)
        return _said({"kept": len(records)})

    def _unrecorded(self, _asked: Mapping[str, str], body: bytes) -> Answer:
        try:
            given = _object(body)
            if not isinstance(given.get("on"), bool):
                raise ValueError('write {"on": true} or {"on": false}')
        except ValueError as error:
            return _said({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        self.unrecorded = given["on"]
        return _said({"on": self.unrecorded})

    def _strike_recorder(self, _asked: Mapping[str, str], body: bytes) -> Answer:
        try:
            given = _object(body)
            self._config.fail(_unit(given), _text(given, "error_code"))
        except ValueError as error:
            return _said({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        return _said(given)

    def _strike_source(self, _asked: Mapping[str, str], body: bytes) -> Answer:
        try:
            given = _object(body)
            if given.get("status") not in STATUSES:
                raise ValueError(f"status must be one of {', '.join(sorted(STATUSES))}")
            self._aggregators.strike(_unit(given), given["status"])
        except ValueError as error:
            return _said({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        return _said(given)

    def _strike(self, _asked: Mapping[str, str], body: bytes) -> Answer:
        try:
            self._gate.faults = changed(self._gate.faults, _object(body))
        except ValueError as error:
            return _said({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        return _said({"changed": True})

    def _truth(self, asked: Mapping[str, str], _body: bytes) -> Answer:
        lines = (json.dumps(row, separators=(",", ":")) for row in truth(self._journal, brief=asked.get("brief") == "true"))
        return Answer(200, _LINES, b"").with_body("".join(f"{line}\n" for line in lines).encode())


def truth(journal: Journal, *, brief: bool = False) -> Iterator[dict[str, Any]]:
    """Yield a row for each record in the journal, in order of time within its account and region; a duplicate has a row of its own."""
    for account_id, region in journal.units():
        for entry in journal.all((account_id, region)):
            record = entry.record
            row = {
                "event_id": record["eventID"],
                "event_time": record["eventTime"],
                "event_name": record["eventName"],
                "account_id": account_id,
                "region": region,
                "visible_at": entry.visible_at.isoformat(),
                "addendum": record.get("addendum"),
            }
            yield row if brief else row | {"record": record}


def _whole(given: Any) -> Iterator[Record]:
    """Yield records that have all that Event history tells of one, as they stand. Raises ValueError."""
    for place, record in enumerate(_records(given)):
        _require(record, place, (*_NEEDED, "eventID"))
        try:
            moment_of(record)
        except ValueError as error:
            raise ValueError(f"record {place}: {error}") from None
        yield record


def _complete(given: Any) -> Iterator[Record]:
    """Yield records with all that the roads need of one. Raises ValueError."""
    for place, record in enumerate(_records(given)):
        _require(record, place, _NEEDED)
        if datetime.fromisoformat(record["eventTime"]).tzinfo is None:
            raise ValueError(f"record {place}: eventTime {record['eventTime']!r:.60} has no time zone; write it as 2026-01-31T12:00:00Z")
        yield {
            "userIdentity": {"type": "Unknown"},
            "requestParameters": None,
            "responseElements": None,
            "eventID": str(uuid4()),
            "readOnly": False,
            "eventType": "AwsApiCall",
            **record,
        }


def _records(given: Any) -> list[Record]:
    records = given.get("Records") if isinstance(given, dict) else given
    if not isinstance(records, list):
        raise ValueError("write a JSON array of CloudTrail records, or an object that has one as `Records`")
    for place, record in enumerate(records):
        if not isinstance(record, dict):
            raise ValueError(f"record {place} is no object")
    return records


def _require(record: Record, place: int, needed: Sequence[str]) -> None:
    missing = [name for name in needed if not isinstance(record.get(name), str)]
    if missing:
        raise ValueError(f"record {place} has no {', '.join(missing)}")


def _object(body: bytes) -> dict[str, Any]:
    given = json.loads(body)
    if not isinstance(given, dict):
        raise ValueError("write a JSON object")
    return given


def _text(given: Mapping[str, Any], name: str) -> str:
    if not isinstance(given.get(name), str):
        raise ValueError(f"{name} must be a text")
    return str(given[name])


def _unit(given: Mapping[str, Any]) -> Unit:
    return _text(given, "account_id"), _text(given, "region")


def _said(body: Any, status: int = 200) -> Answer:
    return Answer(status, _JSON, b"").with_body(json.dumps(body).encode())
