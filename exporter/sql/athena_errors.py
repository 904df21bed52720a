"""What Athena's refusals mean, and what to do about each: one table.

Sources: Athena user guide, "Troubleshooting in Athena" and "Partition projection, supported types"; Athena API reference. Athena's
wording is not part of its contract: what no row knows is shown as Athena said it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from exporter.errors import AwsError, SqlError
from exporter.text import visible

_LONGEST = 600

_DDL = "what `aws-change-exporter athena-ddl` prints"
_POLICY = "(`aws-change-exporter iam-policy` prints the policy)"
_LESS = "ask for fewer days, accounts or regions at once"
_REMEDIES: Mapping[str, str] = {
    r"injected projected partition column": "the table's partition column is `injected`: name one or several of its values "
    f"(account = '111122223333'), or list them in the projection (`enum`), as in {_DDL}",
    r"bytes scanned limit": f"the workgroup's cut-off (BytesScannedCutoffPerQuery) ended it: {_LESS}, or raise the cut-off",
    r"no output location": "set athena.output_location, or give the workgroup an output location or managed query results",
    r"output bucket": "create the bucket of the output location, in the region of the workgroup",
    r"access denied when writing|writing (?:to )?(?:output )?(?:location|url)": "allow s3:PutObject, s3:GetObject and "
    f"s3:GetBucketLocation on the output location {_POLICY}",
    r"permission denied on s3 path|access denied \(service: (?:amazon )?s3": "allow s3:GetObject and s3:ListBucket on the bucket of "
    f"the logs, in its bucket policy and for its KMS key too {_POLICY}",
    r"not authorized to perform: glue:|lake ?formation": "allow glue:GetDatabase and glue:GetTable on catalog, database and table, and "
    f"in Lake Formation where it governs them {_POLICY}",
    r"table_not_found|table .* (?:does not exist|not found)": f"create it with {_DDL}, or correct athena.database, athena.table and "
    "athena.region",
    r"schema_not_found|(?:schema|database) .* (?:does not exist|not found|cannot be resolved)": "correct athena.database; the table is "
    f"created there with {_DDL}",
    r"workgroup .*not found": "create the workgroup, or correct athena.workgroup and athena.region",
    r"workgroup .*disabled|disabled workgroup": "enable the workgroup, or name another in athena.workgroup",
    r"catalog .*(?:does not exist|not found)": "correct athena.catalog; that of AWS Glue is AwsDataCatalog",
    r"column .* cannot be resolved|column_not_found": "correct the column; a table that was made in another way may lack "
    f"it, that of {_DDL} has all that the exporter asks for",
    r"incorrect number of parameters|invalid_parameter_usage": "give as many parameters as the statement has `?`",
    r"exhausted resources|exceeded_\w*memory": f"{_LESS}, and order or group less",
    r"query timeout": _LESS,
    r"hive_bad_data|hive_cursor_error|not a valid json": "a file below the table's location is no trail file; make the table anew with "
    f"{_DDL}, which names the folders of log files alone",
    r"syntax_error|mismatched input|not registered": "correct the statement: it is Athena's SQL (Trino), one SELECT",
    r"number of queries you can run concurrently|rate exceeded": "try again when fewer queries run in this account",
}
_KNOWN = tuple((re.compile(pattern, re.IGNORECASE | re.DOTALL), remedy) for pattern, remedy in _REMEDIES.items())


class AthenaError(SqlError):
    """A query in Athena failed, was refused, cut off or cancelled; `reason` is one of SOURCE_REASONS."""

    def __init__(self, message: str, reason: str = "unreadable") -> None:
        super().__init__(message)
        self.reason = reason


def remedy(told: str) -> str:
    """Return what to do about something that Athena said; empty where nothing is known."""
    return next((what for pattern, what in _KNOWN if pattern.search(told)), "")


def explained(what: str, told: str, reason: str = "unreadable") -> AthenaError:
    """Return the error of something that failed, with what Athena said of it and what to do."""
    said = visible(told.strip(), _LONGEST).rstrip(". ")
    advice = remedy(told)
    return AthenaError("; ".join(part for part in (f"{what}: {said}" if said else what, advice) if part), reason)


def refused(error: AwsError, what: str) -> AthenaError:
    """Return the error of a call that failed: AWS's words, and beside the usual remedy that of the table where it knows better."""
    advice = remedy(str(error))
    text = f"{what}: {error}"
    return AthenaError(f"{text}; {advice}" if advice and error.reason != "access_denied" else text, error.reason)
