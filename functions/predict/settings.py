"""Settings of the synchronous fraud decision."""

from millrace.api.guard import GuardedSettings
from millrace.core.prefixes import MODELS
from millrace.core.uses import FEATURE_STORE, LAKE, MODELS_TABLE, SUBJECT_KEYS, TENANT_KEY, uses


class Settings(GuardedSettings):
    """Whom a caller names, the users' sets and online features, and the models; all but a tenant's own key are only read."""

    subject_keys_table: str = uses(SUBJECT_KEYS, "batch_get")
    tenant_key_id: str = uses(TENANT_KEY, "decrypt", "generate")
    feature_store_table: str = uses(FEATURE_STORE, "batch_get")
    models_table: str = uses(MODELS_TABLE, "get")
    lake_bucket: str = uses(LAKE, read=(MODELS,))
    features_budget_ms: int = 500
    # A client waits for the answer: the decision does without a model that is still loading.
    model_budget_ms: int = 1000
