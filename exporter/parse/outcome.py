"""What became of a call, from its error code. EC2's codes begin with `Client.` or `Server.`."""

from __future__ import annotations

import re

from exporter.model import Outcome

_DRY_RUN = re.compile(r"DryRunOperation$", re.IGNORECASE)
_DENIED = re.compile(r"Unauthorized|Access_?Denied|Not_?Authorized|Forbidden|AuthFailure|AuthorizationError", re.IGNORECASE)


def outcome(error_code: str | None, error_message: str | None) -> Outcome:
    """Return the outcome that errorCode and errorMessage tell.

    A dry run that would have been allowed ends with DryRunOperation. Some services write an error message
    alone (failed sign-ins do).
    """
    if error_code is None:
        return Outcome.SUCCESS if error_message is None else Outcome.FAILED
    if _DRY_RUN.search(error_code):
        return Outcome.DRY_RUN
    return Outcome.DENIED if _DENIED.search(error_code) else Outcome.FAILED
