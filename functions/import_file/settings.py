"""Settings of what imports files."""

from millrace.core.prefixes import EXTERNAL_DATA, IMPORTS
from millrace.core.uses import LAKE, METADATA, uses
from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings):
    """Those of intake; and how many rows a second one file gives to it at most, so that live events keep their share."""

    metadata_table: str = uses(METADATA, "get", "put")
    lake_bucket: str = uses(
        LAKE,
        "list",
        read=(EXTERNAL_DATA, IMPORTS),
        write=(EXTERNAL_DATA,),
        delete=(IMPORTS,),
        purge=(IMPORTS,),
    )
    rows_per_second: float = 2000
