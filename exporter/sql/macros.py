"""What Athena's SQL has and DuckDB's has not, as macros; together with what both have it is the SQL that the two share."""

from __future__ import annotations

MACROS = (
    # Text that is no JSON, and objects and lists where a scalar is asked for, are NULL in Trino.
    """json_extract_scalar(j, p) AS
        CASE WHEN json_valid(j) AND json_type(j, p) NOT IN ('OBJECT', 'ARRAY') THEN json_extract_string(j, p) END""",
    "json_parse(j) AS CAST(j AS JSON)",
    "json_format(j) AS CAST(j AS VARCHAR)",
    "regexp_like(s, p) AS regexp_matches(s, p)",
    "approx_distinct(x) AS approx_count_distinct(x)",
    "from_iso8601_timestamp(s) AS CAST(replace(s, 'Z', '') AS TIMESTAMP)",
    "from_iso8601_date(s) AS CAST(s AS DATE)",
    "to_unixtime(t) AS epoch(t)",
)
"""One CREATE MACRO each, as `json_extract_scalar(column, '$.path')`."""
