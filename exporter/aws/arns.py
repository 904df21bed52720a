"""Text inside the ARNs of policies."""

from __future__ import annotations

import re


def literal(text: str) -> str:
    """Return text that stands for itself in an ARN of a policy, where `*` and `?` match others and `${` begins a variable.

    Source: IAM user guide, "IAM policy elements: variables and tags", special characters.
    """
    return re.sub(r"[*?$]", lambda match: f"${{{match[0]}}}", text)
