"""Settings of the training on a laptop."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import LAKE, uses
from millrace.training.locations import DATASETS


class Settings(FunctionSettings):
    """Where the lake is, what the job imports from, and what it may take."""

    lake_bucket: str = uses(LAKE, read=(DATASETS,), write=(DATASETS,))
    # Folders of this machine, as PYTHONPATH has them; without any those of the function itself.
    libraries: str = ""
    # Of the job; the function has a little more, to copy its input and output.
    seconds: int = 840
    # Processor cores.
    jobs: int = 2
