"""Settings of intake behind databases."""

from millrace.core.uses import METADATA, SOURCE_SECRETS, rights, uses
from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings):
    """How far sources are is in Metadata as well. The password of one is found by the environment's name."""

    also_uses = rights(SOURCE_SECRETS, "read")

    metadata_table: str = uses(METADATA, "update")
