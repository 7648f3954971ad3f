"""Settings of the plan of a backfill."""

from millrace.core.prefixes import RUNS
from millrace.core.settings import FunctionSettings
from millrace.core.uses import LAKE, uses


class Settings(FunctionSettings):
    """The lake, in which runs leave what they have done."""

    lake_bucket: str = uses(LAKE, "list", read=(RUNS,), write=(RUNS,))
