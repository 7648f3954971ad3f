"""Settings of the synchronous fraud decision."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The users' sets, read only."""

    feature_store_table: str
    features_budget_ms: int = 500
