"""Settings of the replay of refused events."""

from millrace.api.guard import GuardedSettings
from millrace.core.prefixes import QUARANTINE
from millrace.core.uses import LAKE, METADATA, uses
from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings, GuardedSettings):
    """Nothing of its own: replay goes through intake's own steps."""

    metadata_table: str = uses(METADATA, "query", "update", "batch_get")
    lake_bucket: str = uses(LAKE, read=(QUARANTINE,))
