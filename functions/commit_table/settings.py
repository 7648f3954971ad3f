"""Settings of the commit."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Where the tables are; the role of Glue's optimizers, empty where there are none."""

    lake_bucket: str
    optimizer_role_arn: str = ""
