"""Settings of the check of a contract."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Nothing of its own: what is checked comes with the call, and what it is checked against is in the layer."""
