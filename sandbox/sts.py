"""What of STS the sandbox answers itself: who calls, and whether a role trusts them.

Source: STS API reference, GetCallerIdentity and AssumeRole; IAM user guide, "Roles terms and concepts" (trust policy).
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote
from uuid import uuid4
from xml.sax.saxutils import escape

from sandbox.asked import Asked
from sandbox.backend import Answer, Backend, element_of
from sandbox.calls import Call
from sandbox.identities import Identity
from sandbox.policies import Policy

_XMLNS = "https://sts.amazonaws.com/doc/2011-06-15/"


def caller_identity(call: Call, identity: Identity) -> Answer:
    """Answer GetCallerIdentity."""
    told = {"Arn": identity.arn(call.region), "UserId": identity.principal_id, "Account": identity.account_id}
    result = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in told.items())
    metadata = f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata>"
    text = f"<GetCallerIdentityResult>{result}</GetCallerIdentityResult>{metadata}"
    body = f'<GetCallerIdentityResponse xmlns="{_XMLNS}">{text}</GetCallerIdentityResponse>'
    return Answer(200, (("Content-Type", "text/xml"),), b"").with_body(body.encode())


class Trust:
    """Asks the role that somebody wants to assume. A role that nobody made here trusts everybody."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def refuses(self, call: Call, identity: Identity, asked: Asked) -> bool:
        """Tell whether the trust policy of the role that a call of AssumeRole names does not let the caller in."""
        document = self._policy(call.form.get("RoleArn", ""))
        return document is not None and not Policy(document).trusts(identity, call.region, asked)

    def _policy(self, role_arn: str) -> Any:
        parts = role_arn.split(":", 5)
        if len(parts) != 6 or not parts[5].startswith("role/"):
            return None
        fields = {"Action": "GetRole", "Version": "2010-05-08", "RoleName": parts[5].rpartition("/")[2]}
        answer = self._backend.call("iam", "us-east-1", parts[4], fields)
        text = element_of(answer.body).findtext(".//AssumeRolePolicyDocument", "") if answer.ok else ""
        try:
            return json.loads(unquote(text)) if text else None
        except ValueError:
            return None
