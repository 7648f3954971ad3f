"""Settings of the registration of models."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The lake, the registry, and where experiments are logged: a URL or the ARN of an MLflow App; empty: nowhere."""

    lake_bucket: str
    models_table: str
    tracking_uri: str = ""
