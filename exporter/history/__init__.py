"""History: what happened, as rows that are the same for the command, the web page and the API, and where to look for it."""

from __future__ import annotations

from exporter.history.rows import CSV_COLUMNS, describe_change, describe_event, describe_rule, format_time, row, to_csv, to_json, to_ndjson

__all__ = ["CSV_COLUMNS", "describe_change", "describe_event", "describe_rule", "format_time", "row", "to_csv", "to_json", "to_ndjson"]
