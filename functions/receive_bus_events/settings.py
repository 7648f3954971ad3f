"""Settings of intake behind EventBridge."""

from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings):
    """Nothing of its own: the tenant comes with each message, from its binding."""
