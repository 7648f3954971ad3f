"""The hourly pipeline, run to rest while a call of it goes wrong, from the real state machine file over real handlers.

A point is a call of AWS that a state makes through botocore (DuckDB and pyarrow reach S3 by themselves), or the invoke
of its function as a whole. The list is recorded in a run in which nothing goes wrong.

    python -m tests.support.pipelinefaults                every kind of point, every way, and every interleaving
    python -m tests.support.pipelinefaults Publish        only points of these states
"""

from tests.support.pipelinefaults.calls import FAULTS, Calls
from tests.support.pipelinefaults.story import Story
from tests.support.pipelinefaults.world import World

__all__ = ["FAULTS", "Calls", "Story", "World"]
