"""Advanced queries of AWS Config: all items of one type, page by page. They only fetch; what rules mean is worked out here.

AWS's SQL compares ranges of addresses by containment and tests lists element by element, so a WHERE on ports and ranges would find
what is not there (AWS Config developer guide: querying the current configuration state, limitations).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from exporter.aws import Operation
from exporter.aws.operations import SELECT_AGGREGATE_CONFIG, SELECT_CONFIG
from exporter.errors import SourceError
from exporter.snapshots.asking import Asker, Listing
from exporter.text import visible

BALANCERS = ("AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::ElasticLoadBalancing::LoadBalancer")
RECORDER = "AWS::Config::ConfigurationRecorder"

_FIELDS = "accountId, awsRegion, resourceId, resourceName, configuration, tags, configurationItemCaptureTime"
_PAGE = 100
_LONGEST_ITEM = 8 * 2**20
"""Characters of one item; the rules of a group that is as large as quotas allow take far less."""
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z0-9-]{5,32}")

Unit = tuple[str, str]
"""Account id and region."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row of an answer: whose it is, and all that was selected."""

    account_id: str
    region: str
    resource_id: str
    row: Mapping[str, Any]

    @property
    def unit(self) -> Unit:
        """Account and region."""
        return self.account_id, self.region


def expression(resource_type: str) -> str:
    """Return the query for all items of a type."""
    return f"SELECT {_FIELDS} WHERE resourceType = '{resource_type}'"


def is_unit(account_id: str, region: str) -> bool:
    """Tell whether texts are an account id and a region."""
    return bool(_ACCOUNT_ID.fullmatch(account_id) and _REGION.fullmatch(region))


@dataclass(frozen=True, slots=True)
class Query:
    """Asks AWS Config for what it has of one account and region, or an aggregator, by name, for what that has.

    `account_id` is whose items they are where no aggregator is asked.
    """

    asker: Asker
    account_id: str = ""
    aggregator: str = ""

    @property
    def operation(self) -> Operation:
        """The call that is made."""
        return SELECT_AGGREGATE_CONFIG if self.aggregator else SELECT_CONFIG

    def items(self, resource_type: str) -> Iterator[Item]:
        """Yield all items of a type, one that changes meanwhile perhaps twice.

        Raises SourceError where a page is missing, or a row cannot be told for what it is.
        """
        named = {"ConfigurationAggregatorName": self.aggregator} if self.aggregator else {}
        listing = Listing(self.operation, "Results", _PAGE, "Limit")
        for text in self.asker.all(listing, Expression=expression(resource_type), **named):
            yield self._item(resource_type, text)

    def _item(self, resource_type: str, text: object) -> Item:
        if not isinstance(text, str) or len(text) > _LONGEST_ITEM:
            raise self._unreadable(resource_type, "a row is no text, or far too long")
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._unreadable(resource_type, f"a row is not JSON ({visible(str(error), 100)})") from None
        if not isinstance(row, dict):
            raise self._unreadable(resource_type, "a row is no object")
        account_id, region = str(row.get("accountId") or ""), str(row.get("awsRegion") or "")
        if not self.aggregator:
            # One account in one region is asked and answers for no other.
            account_id, region = self.account_id, self.asker.caller.region
        resource_id = row.get("resourceId")
        if not (is_unit(account_id, region) and isinstance(resource_id, str) and resource_id):
            raise self._unreadable(resource_type, f"a row does not say whose it is: {visible(text, 200)}")
        return Item(account_id, region, resource_id, row)

    def _unreadable(self, resource_type: str, what: str) -> SourceError:
        return self.asker.unreadable(self.operation, f"of {resource_type}, {what}")
