"""Settings of intake behind the open doors."""

from millrace.api.guard import RatedSettings
from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings, RatedSettings):
    """A key that everybody can read sends no more than half of what its tenant may."""

    key_events_per_second: float = 1000
