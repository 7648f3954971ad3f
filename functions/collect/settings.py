"""Settings of intake behind the open doors."""

from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings):
    """How many events a second one tenant may send to one warm copy."""

    events_per_second: float = 1000
