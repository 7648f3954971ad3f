"""What an environment leaves out because its emulator lacks it, and why."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Omission(StrEnum):
    """A feature that an environment leaves out because its emulator does not support it."""

    EMPTYING_BUCKETS = "emptying-buckets"
    STREAM_FAILURE_DESTINATIONS = "stream-failure-destinations"
    TARGET_DEAD_LETTERS = "target-dead-letters"
    ALARMS = "alarms"
    ACCESS_LOG_BUCKET = "access-log-bucket"
    GATEWAY_ACCESS_LOGS = "gateway-access-logs"
    TRAINING_JOBS = "training-jobs"
    LAKE_FORMATION = "lake-formation"


OMISSION_REASONS: Mapping[Omission, str] = MappingProxyType(
    {
        Omission.EMPTYING_BUCKETS: (
            "The function that empties a bucket before its stack is destroyed needs a part of the AWS SDK that the "
            "emulator lacks: the deployment would wait for it for ever. `make reset` deletes the whole platform."
        ),
        Omission.STREAM_FAILURE_DESTINATIONS: (
            "The emulator retries a failed batch of a stream for ever and never sends it to an on-failure destination."
        ),
        Omission.TARGET_DEAD_LETTERS: (
            "The emulator's event bus does not support a dead-letter queue for a rule's target; the subscriber's queue has its own."
        ),
        Omission.ALARMS: (
            "The emulator records no metrics of functions that a stream or the HTTP API invokes, so no alarm could fire."
        ),
        Omission.ACCESS_LOG_BUCKET: "The emulator does not write server access logs of buckets.",
        Omission.GATEWAY_ACCESS_LOGS: "The emulator writes no access log of the HTTP API, so nothing would be handed on to the lake.",
        Omission.LAKE_FORMATION: (
            "The emulator has no Lake Formation, and its Athena reads no Iceberg table: nothing would hold readers of the lake, or "
            "credentials for BI, to their rows and columns. `millrace query` shows the same."
        ),
        Omission.TRAINING_JOBS: (
            "The emulator has no SageMaker: the state machine trains in the function `train_model`, which exists in `local` "
            "only and runs the same script under the same contract."
        ),
    }
)
