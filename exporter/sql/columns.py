"""The columns of the table of trail logs, one row each: a key of a CloudTrail record in lower case, as Hive has it.

Source: Athena user guide, querying AWS CloudTrail logs. All are text there, objects as their JSON, so that no new member breaks the table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the key of the record that it holds; `json` says that the value may be an object or a list."""

    key: str
    json: bool = False

    @property
    def name(self) -> str:
        """The name in SQL."""
        return self.key.lower()


COLUMNS = (
    Column("eventVersion"),
    Column("userIdentity", json=True),
    Column("eventTime"),
    Column("eventSource"),
    Column("eventName"),
    Column("awsRegion"),
    Column("sourceIPAddress"),
    Column("userAgent"),
    Column("errorCode"),
    Column("errorMessage"),
    Column("requestParameters", json=True),
    Column("responseElements", json=True),
    Column("additionalEventData", json=True),
    Column("requestID"),
    Column("eventID"),
    Column("readOnly"),
    Column("resources", json=True),
    Column("eventType"),
    Column("apiVersion"),
    Column("managementEvent"),
    Column("recipientAccountId"),
    Column("serviceEventDetails", json=True),
    Column("sharedEventID"),
    Column("vpcEndpointId"),
    Column("vpcEndpointAccountId"),
    Column("eventCategory"),
    Column("addendum", json=True),
    Column("sessionCredentialFromConsole"),
    Column("tlsDetails", json=True),
)

PARTITIONS = ("account", "region", "day")
"""Where a file lies: account and region of its key, and the day of its delivery (UTC, `yyyy/MM/dd`): that of the event or the next."""
