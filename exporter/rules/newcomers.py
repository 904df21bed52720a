"""Principals that were never seen before, in accounts that have been watched for long enough to tell."""

from __future__ import annotations

from exporter.rules.alert import Threshold

LABELS = ("account_id", "principal_type", "principal")
_SEEN = "awschange_principal_first_seen_timestamp_seconds"

NEW = f"""\
(
  min by ({", ".join(LABELS)}) ({_SEEN}) > time() - ${{hours}} * 3600
  and on (account_id) min by (account_id) ({_SEEN}) < time() - ${{learning}} * 86400
)"""
"""When each principal was first seen that is new. Replicas with another past: the earliest sight counts."""

WHY = (
    "The exporter remembers everyone whom it ever saw, its first filling of the past included, so a restart makes nobody new. In an "
    "account that it has not known for long everybody would be new, so nobody is."
)

HOURS = Threshold("hours", 24, "Hours for which a principal counts as new.")
LEARNING = Threshold("learning", 7, "Days that something must be known of an account before anyone in it can be new.")
FOLDED = (
    "Past the series budget of principals (2,000) newcomers are in `__other__` and are not told apart "
    "(`AwsChangeSeriesFolded` tells when that is so); raise `metrics.budgets` then."
)
