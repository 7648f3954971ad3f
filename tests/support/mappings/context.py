"""What a handler sees of the service that invokes it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.mappings.shards import ACCOUNT, REGION


@dataclass(frozen=True, slots=True)
class FunctionContext:
    """The context object of an invocation, with what handlers and Powertools read from it."""

    function_name: str
    aws_request_id: str
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 512

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        """The function's log group."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        """A log stream, one for all invocations."""
        return "2026/11/20/[$LATEST]0123456789abcdef0123456789abcdef"

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left, always the same: the clock stands while a handler runs."""
        return 30_000
