"""Settings of the fraud consumer."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The users' sets and online features, the models, where decisions are appended, and the place for what cannot be decided."""

    events_table: str
    feature_store_table: str
    models_table: str
    lake_bucket: str
    features_budget_ms: int = 600
    # The log can wait for a cold start to load a model; what comes meanwhile is decided right after.
    model_budget_ms: int = 3000
    # Nor does the log mind how long the first connections and models of a function take.
    cold_budget_ms: int = 10_000
