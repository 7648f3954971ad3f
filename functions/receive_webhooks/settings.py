"""Settings of intake behind the door of webhooks."""

from millrace.api.guard import RatedSettings
from millrace.core.uses import SOURCE_SECRETS, uses
from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings, RatedSettings):
    """Besides those of intake, what the secrets of sources are called. A source may send half of what its tenant may."""

    source_secrets: str = uses(SOURCE_SECRETS, "read")
    key_events_per_second: float = 1000
