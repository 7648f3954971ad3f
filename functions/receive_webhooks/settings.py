"""Settings of intake behind the door of webhooks."""

from millrace.api.guard import RatedSettings
from millrace.core.uses import SOURCE_SECRETS, rights
from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings, RatedSettings):
    """A source sends no more than half of what its tenant may. Its secret is found by the environment's name."""

    also_uses = rights(SOURCE_SECRETS, "read")

    key_events_per_second: float = 1000
