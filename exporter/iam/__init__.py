"""Least privilege for a configuration: what each principal needs, whom it trusts, and the forms in which a person can apply it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from exporter.iam import cloudformation, documents, terraform
from exporter.iam.grants import HISTORY, HUB, MEMBER
from exporter.iam.principals import Principal, choose, principals

FORMATS: Mapping[str, Callable[[tuple[Principal, ...], str], str]] = {
    "json": documents.policies,
    "trust": documents.trusts,
    "terraform": terraform.render,
    "cloudformation": cloudformation.render,
}
"""By name: from principals and the ARN of the hub, "" if not known, to text. Each raises ConfigError where it needs to be told more."""

__all__ = ["FORMATS", "HISTORY", "HUB", "MEMBER", "Principal", "choose", "principals"]
