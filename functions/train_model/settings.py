"""Settings of the training on a laptop."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """Where the lake is, and what the job may take."""

    lake_bucket: str
    # Of the job; the function has a little more, for the way there and back.
    seconds: int = 840
    # Processor cores.
    jobs: int = 2
