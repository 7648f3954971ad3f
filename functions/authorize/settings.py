"""Settings of the authorizer."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import METADATA, uses


class Settings(FunctionSettings):
    """Where credentials are looked up."""

    metadata_table: str = uses(METADATA, "get")
