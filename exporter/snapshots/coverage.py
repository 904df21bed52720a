"""What an aggregator of AWS Config has, and whether its copy is a current one: its sources and their status.

Sources: AWS Config API reference, DescribeConfigurationAggregators (ConfigurationAggregator, AggregatorFilters) and
DescribeConfigurationAggregatorSourcesStatus (AggregatedSourceStatus: FAILED is an error while data was moved, OUTDATED is not the most
recent, SUCCEEDED was moved). A source is an account in a region, or the organization, whose status is about its list of accounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exporter.aws import Operation
from exporter.aws.operations import DESCRIBE_AGGREGATOR_SOURCES, DESCRIBE_AGGREGATORS
from exporter.errors import AwsError, SourceError
from exporter.snapshots.asking import Asker, Listing
from exporter.snapshots.queries import Unit, is_unit
from exporter.text import visible

_PAGE = 100
_WHOLE = "SUCCEEDED"


@dataclass(frozen=True, slots=True)
class Status:
    """What the aggregator says of one source; `status` is AWS's word, `detail` its error code and message."""

    status: str
    detail: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the aggregator's copy is a current one."""
        return self.status == _WHOLE


@dataclass(frozen=True, slots=True)
class Coverage:
    """The aggregator's sources: status by account and region, and of the organization by region ("" where it tells none).

    `types` are those that it collects alone (its filter); None where it collects all.
    """

    name: str
    units: Mapping[Unit, Status] = field(default_factory=dict)
    organization: Mapping[str, Status] = field(default_factory=dict)
    types: frozenset[str] | None = None

    def error(self, unit: Unit) -> SourceError | None:
        """Return why what it has of an account and region is not all that there is now; None where it is.

        Rows of an account and region that has no status of its own are those of an organization whose list of accounts is current
        there, or nothing vouches for them.
        """
        account_id, region = unit
        status = self.units.get(unit)
        if status is None:
            of_all = [self.organization[key] for key in (region, "") if key in self.organization]
            if of_all and all(status.succeeded for status in of_all):
                return None
            problem = f"the aggregator {self.name} has items of it, but no status that says that they are all, and current"
        elif status.succeeded:
            return None
        else:
            problem = f"its last update in the aggregator {self.name} is {status.status or 'unknown'}{status.detail}"
        return SourceError(
            "unavailable",
            f"{DESCRIBE_AGGREGATOR_SOURCES.action}: account {account_id} {region} is not read: {problem}; authorize the aggregator there "
            "(`aws configservice put-aggregation-authorization`; in an organization: trusted access and the aggregator's role), and see "
            "that AWS Config records there",
        )


def coverage(asker: Asker, name: str) -> Coverage:
    """Return what an aggregator has. Raises SourceError where it cannot be told whole."""
    units: dict[Unit, Status] = {}
    organization: dict[str, Status] = {}
    for item in _all(asker, DESCRIBE_AGGREGATOR_SOURCES, "AggregatedSourceStatusList", ConfigurationAggregatorName=name):
        region, source = str(item.get("AwsRegion") or ""), str(item.get("SourceId") or "")
        if item.get("SourceType") == "ORGANIZATION":
            organization[region] = _worse(organization.get(region), _status(item))
        elif is_unit(source, region):
            units[source, region] = _worse(units.get((source, region)), _status(item))
        else:
            told = visible(f"{source} {region}", 100)
            raise asker.unreadable(DESCRIBE_AGGREGATOR_SOURCES, f"the aggregator {name} has a source that is no account and region: {told}")
    return Coverage(name, units, organization, _types(asker, name))


def _types(asker: Asker, name: str) -> frozenset[str] | None:
    for item in asker.items(
        DESCRIBE_AGGREGATORS, "ConfigurationAggregators", asker.call(DESCRIBE_AGGREGATORS, ConfigurationAggregatorNames=[name])
    ):
        if item.get("ConfigurationAggregatorName") == name:
            only = (item.get("AggregatorFilters") or {}).get("ResourceType") or {}
            return frozenset(map(str, only.get("Value") or ())) if only.get("Type", "INCLUDE") == "INCLUDE" and only.get("Value") else None
    raise AwsError(
        "not_found",
        f"{DESCRIBE_AGGREGATORS.action} in account {asker.caller.account_id} {asker.caller.region} knows no aggregator {name}; "
        "check posture.aggregator: its name, region and account_id",
        DESCRIBE_AGGREGATORS.action,
    )


def _all(asker: Asker, operation: Operation, items: str, **asked: Any) -> Sequence[Mapping[str, Any]]:
    return tuple(asker.all(Listing(operation, items, _PAGE, "Limit"), **asked))


def _status(item: Mapping[str, Any]) -> Status:
    told = [str(item.get(key) or "") for key in ("LastErrorCode", "LastErrorMessage")]
    detail = ": ".join(part for part in told if part)
    return Status(visible(str(item.get("LastUpdateStatus") or ""), 40), f" ({visible(detail, 300)})" if detail else "")


def _worse(known: Status | None, status: Status) -> Status:
    return status if known is None or known.succeeded else known
