"""Settings of intake behind the HTTP API."""

from millrace.api.guard import GuardedSettings
from millrace.core.prefixes import IMPORTS
from millrace.core.uses import LAKE, uses
from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings, GuardedSettings):
    """Those of intake, and of every function behind the authorizer.

    Whoever has an address for a file puts it in the name of this function.
    """

    lake_bucket: str = uses(LAKE, write=(IMPORTS,))
