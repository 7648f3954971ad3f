"""Settings of the fraud consumer."""

from millrace.core.prefixes import MODELS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import EVENTS, FEATURE_STORE, LAKE, MODELS_TABLE, uses
from millrace.eventstore.consumers import SCORER


class Settings(FunctionSettings):
    """The users' sets and online features, the models, where decisions are appended, and the place for what cannot be decided."""

    events_table: str = uses(EVENTS, "put")
    type_shards: int = 1
    feature_store_table: str = uses(FEATURE_STORE, "batch_get", "update")
    models_table: str = uses(MODELS_TABLE, "get")
    lake_bucket: str = uses(LAKE, read=(MODELS,), write=(SCORER.dead_letters,))
    features_budget_ms: int = 600
    # The log can wait for a cold start to load a model; later records are decided right after.
    model_budget_ms: int = 3000
    # Nor does it matter how long the first connections and models of a function take.
    cold_budget_ms: int = 10_000
