"""Settings of intake behind the HTTP API."""

from millrace.api.guard import GuardedSettings
from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings, GuardedSettings):
    """Those of intake, and of every function behind the authorizer."""
