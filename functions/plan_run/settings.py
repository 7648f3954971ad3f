"""Settings of the planner."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Where the manifest and the lake are."""

    metadata_table: str
    lake_bucket: str
