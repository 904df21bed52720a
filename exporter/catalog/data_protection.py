"""The calls that open or weaken stored data: S3 buckets (CIS AWS Foundations 4.8) and KMS keys (CIS 4.7)."""

from __future__ import annotations

from exporter.catalog.spec import EventSpec, at, generic

_BUCKET = at("AWS::S3::Bucket", "request.bucketName")
_KEY = at("AWS::KMS::Key", "request.keyId")

S3: tuple[EventSpec, ...] = (
    *generic(
        "s3",
        "s3.amazonaws.com",
        "PutBucketAcl PutBucketPolicy PutBucketCors PutBucketLifecycle PutBucketReplication "
        "DeleteBucketPolicy DeleteBucketCors DeleteBucketLifecycle DeleteBucketReplication "
        # Beyond CIS; these are the names that CloudTrail writes for Put/DeletePublicAccessBlock.
        "PutBucketPublicAccessBlock DeleteBucketPublicAccessBlock",
        _BUCKET,
    ),
    *generic("s3", "s3.amazonaws.com", "PutAccountPublicAccessBlock DeleteAccountPublicAccessBlock"),
)

KMS: tuple[EventSpec, ...] = generic(
    "kms", "kms.amazonaws.com", "DisableKey ScheduleKeyDeletion PutKeyPolicy DeleteImportedKeyMaterial", _KEY
)
