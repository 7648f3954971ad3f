"""Settings of the registration of models."""

from millrace.core.prefixes import MODELS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import LAKE, MODELS_TABLE, uses
from millrace.training.locations import DATASETS


class Settings(FunctionSettings):
    """The lake, the registry, and where experiments are logged: a URL or the ARN of an MLflow App; empty: nowhere."""

    lake_bucket: str = uses(LAKE, "list", read=(DATASETS, MODELS), write=(MODELS,))
    models_table: str = uses(MODELS_TABLE, "get", "query", "put")
    tracking_uri: str = ""
