"""Why there is no score."""

from millrace.core.errors import PermanentError, RetryableError


class ScoringError(PermanentError):
    """This model cannot be served here; the message says why."""


class ModelUnavailableError(RetryableError):
    """A champion is in force, or may be, and cannot be served now; the message says why."""
