"""Settings of the plan of a backfill."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The lake, in which runs leave what they have done."""

    lake_bucket: str
