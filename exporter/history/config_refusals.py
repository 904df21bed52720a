"""What a reader of a page is told where AWS Config cannot be asked: why and what to do, and none of AWS's own words."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.aws.operations import GET_CONFIG_HISTORY
from exporter.errors import AwsError, SourceError
from exporter.text import visible

NOTHING_KNOWN = "ResourceNotDiscoveredException"
NO_RECORDER = "NoAvailableConfigurationRecorderException"

_SAYS: Mapping[str, str] = {
    "access_denied": "AWS denies {operation} there. `aws-change-exporter iam-policy --history aws-config` prints the policy that allows "
    "it; service control policies and boundaries may forbid it too.",
    "credentials": "The exporter has no credentials there that are good. `aws-change-exporter doctor` says what is wrong with them.",
    "throttled": "AWS throttles {operation} there, whose limit others use too. Ask again in a minute.",
    "unavailable": "AWS could not be reached there, or failed by itself. Ask again in a moment; if it stays, `aws-change-exporter doctor` "
    "says more.",
    "not_found": "AWS does not find what {operation} asks for there. `aws-change-exporter doctor` says more.",
}
_ELSE = "The answer to {operation} could not be understood. The log of the exporter says more."
_NOT_RECORDED = (
    "AWS Config does not record there: it has no recorder. Have it record AWS::EC2::SecurityGroup, and from then on it has a timeline."
)


def code_of(error: SourceError) -> str:
    """Return AWS's own code; empty where there is none."""
    return error.code if isinstance(error, AwsError) else ""


def said(error: SourceError, account_id: str, region: str) -> str:
    """Return why an account and region could not be asked, and what to do."""
    code = code_of(error)
    text = _NOT_RECORDED if code == NO_RECORDER else _SAYS.get(error.reason, _ELSE)
    operation = (error.operation if isinstance(error, AwsError) else "") or GET_CONFIG_HISTORY.action
    told = f" ({visible(code, 60)})" if code else ""
    return f"{account_id} {region}: {text.format(operation=operation)}{told}"
