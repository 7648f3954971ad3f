"""Settings of the fraud consumer."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The users' sets, where decisions are appended, and the place for what cannot be decided."""

    events_table: str
    feature_store_table: str
    lake_bucket: str
    features_budget_ms: int = 600
