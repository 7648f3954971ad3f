"""AWS's event source mappings for Kinesis streams, DynamoDB table streams and queues, in process.

No local AWS has these semantics: partial answers, bisecting, attempt and age limits, redelivery, resharding. A
test puts records into a :class:`KinesisStream` or changes into a :class:`Table`, adds a handler as a mapping to
a :class:`MappingDriver` and runs it until nothing is left. What AWS leaves undocumented is decided here against
the function, and said where it is.
"""

from tests.support.mappings.clock import ManualClock
from tests.support.mappings.destinations import FailureDestination
from tests.support.mappings.driver import MappingDriver, NotIdleError
from tests.support.mappings.faults import Backoff, Crash, Faults
from tests.support.mappings.kinesis import KinesisStream
from tests.support.mappings.patterns import InvalidPatternError
from tests.support.mappings.queues import Queue, QueueMapping
from tests.support.mappings.settings import REPORT_BATCH_ITEM_FAILURES, MappingSettings
from tests.support.mappings.statistics import Invocation, MappingStatistics
from tests.support.mappings.tables import StreamingDestination, Table

__all__ = [
    "REPORT_BATCH_ITEM_FAILURES",
    "Backoff",
    "Crash",
    "FailureDestination",
    "Faults",
    "InvalidPatternError",
    "Invocation",
    "KinesisStream",
    "ManualClock",
    "MappingDriver",
    "MappingSettings",
    "MappingStatistics",
    "NotIdleError",
    "Queue",
    "QueueMapping",
    "StreamingDestination",
    "Table",
]
