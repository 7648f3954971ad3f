"""The log: what a record costs on its way through, what a row's expiry adds, and how many shards a rate needs."""

from collections.abc import Mapping
from math import ceil, exp

from cli.costing import rounding
from cli.costing.deployment import Deployment
from cli.costing.prices import DAYS_A_MONTH, GB, Usage
from millrace.eventstore.consumers import Source, reading

MB = 1024**2
# A stream on demand begins with four shards.
FIRST_SHARDS = 4


def carried(deployment: Deployment, record: Mapping[str, float], assumed: Mapping[str, float]) -> Usage:
    """What one record uses: into the log and out to its readers, with the storage of a longer retention.

    Args:
        deployment: its shards, their retention and fan-out.
        record: the recorded `log.size`, `log.payload` and `log.bytes`, for one record.
        assumed: the price table's assumptions.
    """
    fast = deployment.fan_outs
    if deployment.shards is None:
        held = record["log.bytes"] / GB
        days = max(0.0, min(deployment.retention_hours, 168) / 24 - 1)
        return Usage(
            {
                "kinesis.in": held,
                "kinesis.out": held * (len(reading(Source.LOG)) - fast),
                "kinesis.fan_out": held * fast,
                "kinesis.retention": held * days / DAYS_A_MONTH,
            }
        )
    # A shard as full as its alarm allows, with its retention and fan-out: idle shards are in the idle figure.
    hours = 1 / _records_a_second(deployment, record["log.size"], assumed) / 3600
    return Usage(
        {
            "kinesis.payload": record["log.payload"],
            "kinesis.shard": hours,
            "kinesis.retention_shard": hours if deployment.retention_hours > 24 else 0,
            "kinesis.fan_out_shard": hours * fast,
            "kinesis.fan_out_read": record["log.size"] / GB * fast,
        }
    )


def expiry(record: Mapping[str, float], assumed: Mapping[str, float]) -> Usage:
    """The record of a row that expires: the old row where the new one was, and the service that deleted it."""
    size = record["log.size"] + assumed["expiry_record_bytes"]
    return Usage(
        {
            "log.size": size,
            "log.payload": rounding.payload_units(ceil(size)),
            "log.bytes": rounding.on_demand_bytes(ceil(size)),
        }
    )


def shards(
    deployment: Deployment, record_bytes: float, records: float, assumed: Mapping[str, float]
) -> float:
    """Shards that are open at so many records a second: those of the deployment, or more where they do not suffice."""
    least = deployment.shards or FIRST_SHARDS
    return max(least, ceil(records / _records_a_second(deployment, record_bytes, assumed)))


def alone(batch: float) -> float:
    """Invocations for one record that expires, beside those for new rows, of a consumer without a filter.

    Both kinds arrive independently and equally often. Only a batch with no new row in it is an invocation more.

    Args:
        batch: new rows that arrive while a batch is collected, on average.
    """
    return exp(-batch) * (1 - exp(-batch)) / batch


def _records_a_second(deployment: Deployment, record_bytes: float, assumed: Mapping[str, float]) -> float:
    """What a shard takes at its alarm's threshold (stacks/constructs/log_alarms.py)."""
    sharing = len(reading(Source.LOG)) - deployment.fan_outs
    most = min(MB, assumed["shard_read_mb"] * MB / max(1, sharing))
    return min(assumed["events_per_shard"], most / record_bytes) * assumed["shard_use"]
