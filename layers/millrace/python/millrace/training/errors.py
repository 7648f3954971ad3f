"""Why there is no model."""

from millrace.core.errors import PermanentError


class TrainingError(PermanentError):
    """No model can be made of the data, or what was made is not one; the message gives the reason."""


class InsufficientDataError(PermanentError):
    """The tenant's data is too little for a training set; the message names what is missing."""
