"""What AWS's error codes mean to us: one table.

Sources: "Common errors" of the API references of CloudTrail, S3, SQS, STS, EC2, Config, Athena and Organizations, and the retry
lists of botocore.
"""

from __future__ import annotations

SPENT = frozenset({
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "InvalidToken",
    "AuthFailure",
})  # fmt: skip
"""Codes that fresh credentials may cure."""

_REASONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "throttled",
        (
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottled",
            "RequestThrottledException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "BandwidthLimitExceeded",
            "LimitExceededException",
            "SlowDown",
            "EC2ThrottledException",
            "PriorRequestNotComplete",
            "KmsThrottled",
            "KMS.ThrottlingException",
            "OverLimit",
        ),
    ),
    (
        "not_found",
        (
            "NoSuchKey",
            "NoSuchBucket",
            "NoSuchVersion",
            "QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
            "NonExistentQueue",
            "TrailNotFoundException",
            "AWSOrganizationsNotInUseException",
            "ResourceNotFoundException",
            "NoSuchConfigurationAggregatorException",
            "NoAvailableConfigurationRecorderException",
            "ResourceNotDiscoveredException",
        ),
    ),
    (
        "access_denied",
        (
            "AccessDenied",
            "AccessDeniedException",
            "UnauthorizedOperation",
            "UnauthorizedAccess",
            "AllAccessDisabled",
            "AccountProblem",
            "Forbidden",
            "NotAuthorized",
            "OptInRequired",
            "Blocked",
            "RegionDisabledException",
            "AccessDeniedForDependencyException",
            "KMS.AccessDeniedException",
            "KMSAccessDeniedException",
            "KmsAccessDenied",
            "KMS.DisabledException",
            "KmsDisabled",
            "KMS.InvalidStateException",
            "KmsInvalidState",
            "KMS.NotFoundException",
            "KmsNotFound",
            "OperationNotPermittedException",
        ),
    ),
    (
        "credentials",
        (
            *SPENT,
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "MissingSecurityHeader",
            "RequestTimeTooSkewed",
            "AuthorizationHeaderMalformed",
            "ExpiredTokenIdentity",
        ),
    ),
    ("unreadable", ("InvalidObjectState",)),
    (
        "unavailable",
        (
            "InternalFailure",
            "InternalError",
            "InternalServerError",
            "InternalServerException",
            "InternalServiceException",
            "ServiceException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "Unavailable",
            "RequestTimeout",
            "RequestTimeoutException",
        ),
    ),
)
REASONS = {code: reason for reason, codes in _REASONS for code in codes}
"""What each known code is to us, one of SOURCE_REASONS; what is not here goes by its HTTP status."""

UNANSWERED = {
    "timeout": "unavailable",
    "connection": "unavailable",
    "cut": "unavailable",
    "too_large": "unreadable",
    "unreadable": "unreadable",
}
"""Codes of our own, for attempts that no usable answer came to, and what they are to us."""

ERROR_CODES = frozenset({
    *REASONS,
    *UNANSWERED,
    "InvalidLookupAttributesException",
    "InvalidMaxResultsException",
    "InvalidNextTokenException",
    "InvalidTimeRangeException",
    "UnsupportedOperationException",
    "ValidationError",
    "ValidationException",
    "SerializationException",
    "ReceiptHandleIsInvalid",
    "PermanentRedirect",
    "InvalidExpressionException",
    "InvalidLimitException",
    "InvalidRequestException",
    "MetadataException",
})  # fmt: skip
"""The codes that metrics tell apart; every other is `other`, so that the set is closed."""
