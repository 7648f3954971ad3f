"""Settings of the synchronous fraud decision."""

from millrace.core.prefixes import MODELS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import FEATURE_STORE, LAKE, MODELS_TABLE, uses


class Settings(FunctionSettings):
    """The users' sets and online features, and the models, read only."""

    feature_store_table: str = uses(FEATURE_STORE, "batch_get")
    models_table: str = uses(MODELS_TABLE, "get")
    lake_bucket: str = uses(LAKE, read=(MODELS,))
    features_budget_ms: int = 500
    # A client waits for the answer: the decision does without a model that is still loading.
    model_budget_ms: int = 1000
