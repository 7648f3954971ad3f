"""Callers who sign with a role of AWS get a token of ours."""

from http import HTTPStatus
from typing import Any

from millrace.access import aws_roles
from millrace.api.route import Call
from millrace.core import audit, clock
from millrace.core.http import Problem
from millrace.core.table import Table


class TokensApi:
    """Answers of `POST /v1/token`."""

    def __init__(self, metadata: Table) -> None:
        """Makes no call."""
        self._metadata = metadata

    def exchange(self, call: Call) -> dict[str, Any]:
        """A token for the tenant and with the rights that the caller's role is bound to."""
        caller = call.request.aws_caller
        binding = aws_roles.find(self._metadata, caller)
        if binding is None:
            raise Problem(HTTPStatus.FORBIDDEN, "this role of AWS is bound to no tenant that may call")
        name = call.request.request_id
        audit.write(
            self._metadata, binding.org, "sessions.create", f"aws/{binding.role}", {"session": caller}, name
        )
        made = aws_roles.new_token(self._metadata, binding)
        return {
            "token": made.token,
            "org": made.org,
            "rights": list(made.scopes),
            "expiresAt": clock.utc_text(made.expires_at),
        }
