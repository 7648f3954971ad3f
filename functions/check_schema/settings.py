"""Settings of the check of a contract."""

from millrace.api.guard import GuardedSettings


class Settings(GuardedSettings):
    """Nothing of its own: the contract comes with the call, and those in force are in the layer."""
