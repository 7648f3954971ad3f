"""Settings of the replay of refused events."""

from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings):
    """Nothing of its own: replay goes through intake's own steps."""
