"""Settings of the preparation of tables."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Where the lake is."""

    lake_bucket: str
