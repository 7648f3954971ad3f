"""Settings of what imports files."""

from millrace.core.prefixes import EXTERNAL_DATA, IMPORTS, RAW_EVENTS
from millrace.core.uses import LAKE, METADATA, uses
from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings):
    """Those of intake; and how many rows a second one file gives to it at most, so that live events keep their share."""

    metadata_table: str = uses(METADATA, "get", "put", "write_all")
    lake_bucket: str = uses(
        LAKE,
        "list",
        read=(EXTERNAL_DATA, IMPORTS),
        # History goes into raw without the log.
        write=(EXTERNAL_DATA, RAW_EVENTS),
        delete=(IMPORTS,),
        purge=(IMPORTS,),
    )
    rows_per_second: float = 2000
