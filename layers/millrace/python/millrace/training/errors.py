"""Why there is no model."""

from millrace.core.errors import PermanentError


class TrainingError(PermanentError):
    """The data or what was made of it cannot be a model; the message says why."""
