"""Settings of the check of a contract."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Nothing of its own: the contract comes with the call, and those in force are in the layer."""
