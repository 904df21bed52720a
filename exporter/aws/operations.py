"""Every call that the exporter can make, one row each: nothing else reaches AWS, and policies, costs and limits follow from here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """One call: `service` and `name` as botocore has them, `action` as IAM has it, `cost` in US dollars for one request.

    `rate` is AWS's own limit in calls a second for an account and region, where it is documented and low.
    """

    service: str
    name: str
    action: str
    cost: float = 0.0
    rate: float | None = None

    @property
    def signing_name(self) -> str:
        """The service that requests are signed for: IAM's own prefix, which both kinds of load balancers share."""
        return self.action.partition(":")[0]


GET_CALLER_IDENTITY = Operation("sts", "GetCallerIdentity", "sts:GetCallerIdentity")
ASSUME_ROLE = Operation("sts", "AssumeRole", "sts:AssumeRole")
LIST_ACCOUNTS = Operation("organizations", "ListAccounts", "organizations:ListAccounts")
DESCRIBE_REGIONS = Operation("ec2", "DescribeRegions", "ec2:DescribeRegions")

# CloudTrail user guide, quotas: 2 calls a second for an account and region, not adjustable. Event history is free.
LOOKUP_EVENTS = Operation("cloudtrail", "LookupEvents", "cloudtrail:LookupEvents", rate=2.0)
DESCRIBE_TRAILS = Operation("cloudtrail", "DescribeTrails", "cloudtrail:DescribeTrails")
GET_TRAIL_STATUS = Operation("cloudtrail", "GetTrailStatus", "cloudtrail:GetTrailStatus")
GET_EVENT_SELECTORS = Operation("cloudtrail", "GetEventSelectors", "cloudtrail:GetEventSelectors")
LIST_PUBLIC_KEYS = Operation("cloudtrail", "ListPublicKeys", "cloudtrail:ListPublicKeys")

# What stands open. EC2 and Elastic Load Balancing ask nothing for their Describe calls.
DESCRIBE_GROUPS = Operation("ec2", "DescribeSecurityGroups", "ec2:DescribeSecurityGroups")
DESCRIBE_RULES = Operation("ec2", "DescribeSecurityGroupRules", "ec2:DescribeSecurityGroupRules")
DESCRIBE_ASSOCIATIONS = Operation("ec2", "DescribeSecurityGroupVpcAssociations", "ec2:DescribeSecurityGroupVpcAssociations")
DESCRIBE_PREFIX_LISTS = Operation("ec2", "DescribeManagedPrefixLists", "ec2:DescribeManagedPrefixLists")
GET_PREFIX_LIST_ENTRIES = Operation("ec2", "GetManagedPrefixListEntries", "ec2:GetManagedPrefixListEntries")
DESCRIBE_INTERFACES = Operation("ec2", "DescribeNetworkInterfaces", "ec2:DescribeNetworkInterfaces")
DESCRIBE_BALANCERS = Operation("elbv2", "DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers")
DESCRIBE_TARGET_GROUPS = Operation("elbv2", "DescribeTargetGroups", "elasticloadbalancing:DescribeTargetGroups")
DESCRIBE_TARGET_HEALTH = Operation("elbv2", "DescribeTargetHealth", "elasticloadbalancing:DescribeTargetHealth")
DESCRIBE_CLASSIC_BALANCERS = Operation("elb", "DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers")

# Whether AWS Config records: `doctor` asks, and whoever reads rules from it, because what a stopped recorder left is old.
DESCRIBE_RECORDERS = Operation("config", "DescribeConfigurationRecorders", "config:DescribeConfigurationRecorders")
DESCRIBE_RECORDER_STATUS = Operation("config", "DescribeConfigurationRecorderStatus", "config:DescribeConfigurationRecorderStatus")

# Advanced queries of AWS Config are free (AWS Config pricing: what is recorded costs); their limits are not documented.
SELECT_CONFIG = Operation("config", "SelectResourceConfig", "config:SelectResourceConfig")
SELECT_AGGREGATE_CONFIG = Operation("config", "SelectAggregateResourceConfig", "config:SelectAggregateResourceConfig")
DESCRIBE_AGGREGATORS = Operation("config", "DescribeConfigurationAggregators", "config:DescribeConfigurationAggregators")
DESCRIBE_AGGREGATOR_SOURCES = Operation(
    "config", "DescribeConfigurationAggregatorSourcesStatus", "config:DescribeConfigurationAggregatorSourcesStatus"
)

# What was recorded of one resource, for `history --from aws-config` alone.
GET_CONFIG_HISTORY = Operation("config", "GetResourceConfigHistory", "config:GetResourceConfigHistory")

# SQL over trail logs. Athena asks for the bytes that a query scans, not for calls: who runs a query tells its cost (Caller.spent).
# Its limits are high: 20 starts and 100 readings a second for an account (Athena user guide, service limits).
START_QUERY = Operation("athena", "StartQueryExecution", "athena:StartQueryExecution")
GET_QUERY = Operation("athena", "GetQueryExecution", "athena:GetQueryExecution")
GET_QUERY_RESULTS = Operation("athena", "GetQueryResults", "athena:GetQueryResults")
STOP_QUERY = Operation("athena", "StopQueryExecution", "athena:StopQueryExecution")
GET_WORKGROUP = Operation("athena", "GetWorkGroup", "athena:GetWorkGroup")
GET_TABLE = Operation("athena", "GetTableMetadata", "athena:GetTableMetadata")

# Amazon S3 pricing, us-east-1, standard class: 0.0004 USD for 1,000 GET, 0.005 USD for 1,000 LIST.
GET_OBJECT = Operation("s3", "GetObject", "s3:GetObject", cost=0.0004 / 1000)
LIST_OBJECTS = Operation("s3", "ListObjectsV2", "s3:ListBucket", cost=0.005 / 1000)

# Amazon SQS pricing, us-east-1, standard queues: 0.40 USD for a million requests past the free million.
_SQS_COST = 0.40 / 1_000_000
RECEIVE_MESSAGE = Operation("sqs", "ReceiveMessage", "sqs:ReceiveMessage", cost=_SQS_COST)
DELETE_MESSAGE = Operation("sqs", "DeleteMessageBatch", "sqs:DeleteMessage", cost=_SQS_COST)
CHANGE_VISIBILITY = Operation("sqs", "ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility", cost=_SQS_COST)
GET_QUEUE_ATTRIBUTES = Operation("sqs", "GetQueueAttributes", "sqs:GetQueueAttributes", cost=_SQS_COST)

OPERATIONS: tuple[Operation, ...] = (
    GET_CALLER_IDENTITY,
    ASSUME_ROLE,
    LIST_ACCOUNTS,
    DESCRIBE_REGIONS,
    LOOKUP_EVENTS,
    DESCRIBE_TRAILS,
    GET_TRAIL_STATUS,
    GET_EVENT_SELECTORS,
    LIST_PUBLIC_KEYS,
    DESCRIBE_GROUPS,
    DESCRIBE_RULES,
    DESCRIBE_ASSOCIATIONS,
    DESCRIBE_PREFIX_LISTS,
    GET_PREFIX_LIST_ENTRIES,
    DESCRIBE_INTERFACES,
    DESCRIBE_BALANCERS,
    DESCRIBE_TARGET_GROUPS,
    DESCRIBE_TARGET_HEALTH,
    DESCRIBE_CLASSIC_BALANCERS,
    DESCRIBE_RECORDERS,
    DESCRIBE_RECORDER_STATUS,
    SELECT_CONFIG,
    SELECT_AGGREGATE_CONFIG,
    GET_CONFIG_HISTORY,
    DESCRIBE_AGGREGATORS,
    DESCRIBE_AGGREGATOR_SOURCES,
    START_QUERY,
    GET_QUERY,
    GET_QUERY_RESULTS,
    STOP_QUERY,
    GET_WORKGROUP,
    GET_TABLE,
    GET_OBJECT,
    LIST_OBJECTS,
    RECEIVE_MESSAGE,
    DELETE_MESSAGE,
    CHANGE_VISIBILITY,
    GET_QUEUE_ATTRIBUTES,
)
"""Every call there is."""
