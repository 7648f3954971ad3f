"""Settings of the synchronous fraud decision."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The users' sets and online features, and the models, read only."""

    feature_store_table: str
    models_table: str
    lake_bucket: str
    features_budget_ms: int = 500
    # Somebody waits for the answer: a model that is still loading is done without.
    model_budget_ms: int = 1000
