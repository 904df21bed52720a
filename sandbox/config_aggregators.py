"""AWS Config's aggregators: what was recorded in many accounts and regions, as one of them knows it.

Every account of the sandbox belongs to the organization, and every source is taken to be authorized. What a source's failure has
stopped stays as it was. Source: AWS Config API reference, the operations below. That an organization's aggregator lists its accounts
as sources of their own is inferred, as is that a source in a region without a recorder counts as failed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sandbox import json_answers
from sandbox.backend import Answer, Backend
from sandbox.calls import Call
from sandbox.config_calls import NO_TOKEN, TARGET, answer_query, asked_of, number_of
from sandbox.config_recording import Recording
from sandbox.identities import Identity
from sandbox.journal import Unit
from sandbox.moments import Clock
from sandbox.pages import InvalidTokenError, Pages

SUCCEEDED = "SUCCEEDED"
STATUSES = frozenset({SUCCEEDED, "FAILED", "OUTDATED"})
_ORGANIZATION = "o-exampleorgid"


class ConfigAggregators:
    """Answers calls about aggregators. `strike` has a source fail, or come right again."""

    def __init__(self, backend: Backend, recording: Recording, clock: Clock) -> None:
        self._backend, self._recording, self._clock = backend, recording, clock
        self._struck: dict[Unit, tuple[str, datetime]] = {}
        self._lock = threading.Lock()
        self._pages = Pages()

    def operations(self) -> dict[tuple[str, str], Callable[[Call, Identity], Answer]]:
        """Return the operations, by service and action."""
        return {
            ("config", "DescribeConfigurationAggregatorSourcesStatus"): self._sources,
            ("config", "SelectAggregateResourceConfig"): self._select,
        }

    def forget(self) -> None:
        """Have all sources succeed, as the sandbox begins anew."""
        with self._lock:
            self._struck.clear()

    def strike(self, unit: Unit, status: str) -> None:
        """Set the status of a source; from now on what is recorded there stays unknown to aggregators, until it succeeds again."""
        with self._lock:
            if status == SUCCEEDED:
                self._struck.pop(unit, None)
            else:
                since = self._struck[unit][1] if unit in self._struck else self._clock()
                self._struck[unit] = (status, since)

    def _select(self, call: Call, identity: Identity) -> Answer:
        found = self._aggregator(call, identity)
        if isinstance(found, Answer):
            return found
        now, versions = self._clock(), []
        for unit in _units(found, self._recording.units()):
            with self._lock:
                _, until = self._struck.get(unit, (SUCCEEDED, now))
            versions += [(unit, version) for version in self._recording.current(unit, until)]
        return answer_query(self._pages, asked_of(call), versions, found["ConfigurationAggregatorArn"])

    def _sources(self, call: Call, identity: Identity) -> Answer:
        found, asked = self._aggregator(call, identity), asked_of(call)
        if isinstance(found, Answer):
            return found
        limit = number_of(asked, ("Limit",), 100)
        if isinstance(limit, Answer):
            return limit
        wanted = frozenset(asked.get("UpdateStatus") or STATUSES)
        rows = [row for row in self._rows(found, call.region) if row["LastUpdateStatus"] in wanted]
        request = (found["ConfigurationAggregatorArn"], tuple(sorted(wanted)))
        try:
            page = self._pages.page(rows, lambda row: f"{row['SourceId']} {row['AwsRegion']}", limit, asked.get("NextToken"), request)
        except InvalidTokenError:
            return json_answers.failure("InvalidNextTokenException", NO_TOKEN)
        body: dict[str, Any] = {"AggregatedSourceStatusList": page.members}
        return json_answers.success(body | ({"NextToken": page.token} if page.token else {}))

    def _rows(self, aggregator: Mapping[str, Any], region: str) -> Iterator[dict[str, Any]]:
        now, recorded = self._clock(), set(self._recording.units())
        if aggregator.get("OrganizationAggregationSource"):
            yield {
                "SourceId": _ORGANIZATION,
                "SourceType": "ORGANIZATION",
                "AwsRegion": region,
                "LastUpdateStatus": SUCCEEDED,
                "LastUpdateTime": now.timestamp(),
            }
        for account_id, where in sorted({*_units(aggregator, sorted(recorded)), *_named(aggregator)}):
            unit = (account_id, where)
            with self._lock:
                status, at = self._struck.get(unit, (SUCCEEDED, now))
            if unit not in recorded:
                status = "FAILED"
            row: dict[str, Any] = {"SourceId": account_id, "SourceType": "ACCOUNT", "AwsRegion": where, "LastUpdateStatus": status}
            row["LastUpdateTime"] = at.timestamp()
            if status == "FAILED":
                row |= {"LastErrorCode": "InternalFailure", "LastErrorMessage": "Data of this source could not be replicated"}
            yield row

    def _aggregator(self, call: Call, identity: Identity) -> dict[str, Any] | Answer:
        name = str(asked_of(call).get("ConfigurationAggregatorName", ""))
        unit = (identity.account_id, call.region)
        asked = {"ConfigurationAggregatorNames": [name]}
        answer = self._backend.json_answer("config", f"{TARGET}DescribeConfigurationAggregators", *unit, asked)
        found = json.loads(answer.body).get("ConfigurationAggregators", []) if answer.ok else []
        if not name or not found:
            return json_answers.failure(
                "NoSuchConfigurationAggregatorException", f"The configuration aggregator {name:.80} does not exist."
            )
        return dict(found[0])


def _units(aggregator: Mapping[str, Any], units: list[Unit]) -> list[Unit]:
    """Return those of some accounts and regions that an aggregator collects from."""
    organization = aggregator.get("OrganizationAggregationSource")
    sources = [organization] if organization else aggregator.get("AccountAggregationSources") or []
    return [
        unit
        for unit in units
        if any(
            (organization or unit[0] in source.get("AccountIds", ()))
            and (source.get("AllAwsRegions") or unit[1] in (source.get("AwsRegions") or ()))
            for source in sources
        )
    ]


def _named(aggregator: Mapping[str, Any]) -> list[Unit]:
    """Return each account and region that an aggregator names, whether anything is recorded there or not."""
    sources = aggregator.get("AccountAggregationSources") or []
    return [(account_id, region) for source in sources for account_id in source["AccountIds"] for region in source.get("AwsRegions") or ()]
