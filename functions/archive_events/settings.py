"""Settings of the archive."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Where objects and their manifest go."""

    metadata_table: str
    lake_bucket: str
