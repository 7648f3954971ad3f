"""Settings of the authorizer."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Where credentials are looked up."""

    metadata_table: str
