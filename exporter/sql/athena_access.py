"""As whom Athena is asked, and what that needs of AWS.

Sources: Athena user guide, "Identity and access management in Athena" (workgroups, AWS Glue, S3); Service Authorization Reference, Amazon
Athena and AWS Glue. Athena reads the logs and writes results as whoever asked, so the permissions are the caller's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exporter.aws import Aws, Caller, Permission
from exporter.aws.arns import literal
from exporter.settings import ALL
from exporter.sql.settings import CATALOG, AthenaSettings, bucket_and_prefix


def caller_of(settings: AthenaSettings, aws: Aws, regions: Sequence[str] = ()) -> Caller:
    """Return who asks Athena; `regions` are those of the configuration. Raises AwsError where no region is known."""
    region = settings.region or next((one for one in regions if one != ALL), "") or aws.default_region()
    return aws.role_caller(region, () if settings.role is None else (settings.role,))


def principal(settings: AthenaSettings) -> str:
    """Return as whom Athena is asked, as Permission says it."""
    return "hub" if settings.role is None else settings.role.role_arn


def permissions(settings: AthenaSettings, logs: Sequence[str] = ()) -> Iterator[Permission]:
    """Yield what queries need; `logs` are where the log files lie (s3://bucket/prefix/) if the settings do not say it.

    Where neither does, every bucket is meant, below AWSLogs. Of results only those in `output_location` are known here.
    """
    who, region = principal(settings), settings.region or "*"
    account = "*" if settings.role is None else settings.role.account_id
    partition = settings.role.partition if settings.role is not None else _partition(settings.region)
    athena, glue = (f"arn:{partition}:{service}:{region}:{account}" for service in ("athena", "glue"))
    workgroup, catalog = (f"{athena}:workgroup/{settings.workgroup}",), (f"{athena}:datacatalog/{literal(settings.catalog)}",)
    for action in ("StartQueryExecution", "GetQueryExecution", "GetQueryResults", "StopQueryExecution"):
        yield Permission(f"athena:{action}", workgroup, "Athena: run queries", who)
    yield Permission("athena:GetWorkGroup", workgroup, "Doctor: Athena", who)
    yield Permission("athena:GetTableMetadata", catalog, "Doctor: Athena, the table", who)
    if settings.catalog == CATALOG:
        database = (f"{glue}:catalog", f"{glue}:database/{settings.database}")
        yield Permission("glue:GetDatabase", database, "Athena: find the database", who)
        table = (*database, f"{glue}:table/{settings.database}/{settings.table}")
        # Of a table whose partitions are projected, as ours, Athena asks for none; of one that lists them it does.
        for action in ("GetTable", "GetPartitions"):
            yield Permission(f"glue:{action}", table, "Athena: find the table", who)
    else:
        yield Permission("athena:GetDataCatalog", catalog, "Athena: find the catalog", who)
    yield from _logs(partition, [settings.logs] if settings.logs else list(logs) or [""], who)
    yield from _results(partition, settings.output_location, who)
    if settings.kms_keys:
        yield Permission("kms:Decrypt", settings.kms_keys, "Athena: read what is encrypted", who)
        if settings.output_location:
            yield Permission("kms:GenerateDataKey", settings.kms_keys, "Athena: encrypt results", who)


def _logs(partition: str, places: Sequence[str], who: str) -> Iterator[Permission]:
    buckets, objects = [], []
    for place in places:
        bucket, prefix = bucket_and_prefix(place)
        arn = f"arn:{partition}:s3:::{bucket or '*'}"
        before = f"{literal(prefix)}/" if prefix else ""
        buckets.append(arn)
        # A trail of Control Tower has the id of the organization before AWSLogs.
        objects += [f"{arn}/{before}AWSLogs/*", *([] if before else [f"{arn}/o-*/AWSLogs/*"])]
    # By which prefixes Athena lists is not documented, so that no condition bounds it.
    for action in ("s3:GetBucketLocation", "s3:ListBucket"):
        yield Permission(action, tuple(buckets), "Athena: find log files", who)
    yield Permission("s3:GetObject", tuple(objects), "Athena: read log files", who)


def _results(partition: str, place: str, who: str) -> Iterator[Permission]:
    if not place:
        return
    bucket, prefix = bucket_and_prefix(place)
    arn = f"arn:{partition}:s3:::{bucket}"
    below = (f"{arn}/{literal(prefix)}/*" if prefix else f"{arn}/*",)
    for action in ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"):
        yield Permission(action, (arn,), "Athena: find results", who)
    for action in ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"):
        yield Permission(action, below, "Athena: keep results", who)


def _partition(region: str) -> str:
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
