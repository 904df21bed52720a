"""What became of a call."""

from __future__ import annotations

import pytest

from exporter.model import Outcome
from exporter.parse.outcome import outcome
from tests.cloudtrail_fixtures import event


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (None, None, Outcome.SUCCESS),
        (None, "Failed authentication", Outcome.FAILED),
        ("Client.DryRunOperation", "would have succeeded", Outcome.DRY_RUN),
        ("DryRunOperation", None, Outcome.DRY_RUN),
        ("Client.UnauthorizedOperation", None, Outcome.DENIED),
        ("UnauthorizedOperation", None, Outcome.DENIED),
        ("AccessDenied", None, Outcome.DENIED),
        ("AccessDeniedException", None, Outcome.DENIED),
        ("VpceAccessDenied", None, Outcome.DENIED),
        ("NotAuthorizedException", None, Outcome.DENIED),
        ("ForbiddenException", None, Outcome.DENIED),
        ("UnauthorizedException", None, Outcome.DENIED),
        ("Client.AuthFailure", None, Outcome.DENIED),
        ("AuthorizationError", None, Outcome.DENIED),
        ("Client.InvalidPermission.Duplicate", None, Outcome.FAILED),
        ("Client.DependencyViolation", None, Outcome.FAILED),
        ("AuthorizationAlreadyExists", None, Outcome.FAILED),
        ("ThrottlingException", None, Outcome.FAILED),
        ("Client.DryRunOperationNot", None, Outcome.FAILED),
    ],
)
def test_the_error_code_tells_the_outcome(code: str | None, message: str | None, expected: Outcome) -> None:
    """Denied and failed are different alerts, and a dry run is neither."""
    assert outcome(code, message) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("authorize-denied", Outcome.DENIED), ("authorize-duplicate", Outcome.FAILED), ("authorize-dry-run", Outcome.DRY_RUN)],
)
def test_a_call_that_changed_nothing_still_names_its_target(name: str, expected: Outcome) -> None:
    """Somebody tried; history must say on what."""
    parsed = event(name)
    assert parsed.outcome is expected
    assert parsed.security_groups == ("sg-0123456789abcdef0",)
    assert parsed.error_code is not None
    assert parsed.content_known


@pytest.mark.parametrize("code", ["", [], {}, None])
def test_an_empty_error_code_is_no_error(code: object) -> None:
    """Some pipelines fill in empty fields."""
    assert event("authorize-flat-form", errorCode=code).outcome is Outcome.SUCCESS
