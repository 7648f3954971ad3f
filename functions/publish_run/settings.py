"""Settings of the last step of a run."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The run's documents, the catalog, and where events of failed checks are appended."""

    events_table: str
    metadata_table: str
    lake_bucket: str
