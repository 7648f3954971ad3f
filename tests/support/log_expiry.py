"""Run by the emulator's Python: a log with records older than it keeps, over two starts. Prints what each start left, as JSON.

One consumer has read five of the six records, the other two; four are old. So two can go, and positions, which
count records, have to follow.
"""

import json
import os
import sys
import time
from pathlib import Path

from ministack import app
from ministack.services import kinesis, lambda_svc

from cli.local import durability

LOG, SHARD = ("000000000000", "us-east-1", "log"), "shardId-000000000000"
ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/log"
READ = {"fast": 5, "slow": 2}
DAY = 24 * 3600


def key(consumer: str) -> tuple[str, str, str]:
    """Where the emulator has a mapping, and its position."""
    return (*LOG[:2], consumer)


def fill() -> None:
    """The state of a platform that was stopped for a day."""
    now = time.time()
    ages = (DAY + 4, DAY + 3, DAY + 2, DAY + 1, 60, 1)
    records = [
        {
            "SequenceNumber": f"{number}",
            "ApproximateArrivalTimestamp": now - age,
            "Data": "",
            "PartitionKey": "k",
        }
        for number, age in enumerate(ages)
    ]
    stream = {"StreamARN": ARN, "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24}
    kinesis._streams.set_scoped(*LOG, {**stream, "shards": {SHARD: {"records": records}}})
    for consumer, position in READ.items():
        mapping = {
            "UUID": consumer,
            "EventSourceArn": ARN,
            "FunctionArn": "",
            "StartingPosition": "TRIM_HORIZON",
        }
        lambda_svc._esms.set_scoped(*key(consumer), mapping)
        lambda_svc._kinesis_positions.set_scoped(*key(consumer), {SHARD: position})


def start(folder: Path) -> dict[str, object]:
    """What the log holds, and where each consumer is, after a start."""
    for store in (kinesis._streams, lambda_svc._esms, lambda_svc._kinesis_positions):
        store._data.clear()
    again = durability.Durability(folder)
    # A start that found a journal takes a snapshot; without it, the next start repeats what this one has dropped.
    again.take_snapshot = lambda: None  # type: ignore[method-assign]
    app.load_state = again.load_state
    again.load()
    again.journal.flush()
    held = kinesis._streams.get_scoped(*LOG)["shards"][SHARD]["records"]
    return {
        "held": [record["SequenceNumber"] for record in held],
        "next": {
            name: held[lambda_svc._kinesis_positions.get_scoped(*key(name))[SHARD]]["SequenceNumber"]
            for name in READ
        },
    }


def main(folder: Path) -> None:
    """Fills, stops, and starts twice."""
    durability._start_poller = lambda: None
    kinesis._expire_records = lambda _: None
    fill()
    stopping = durability.Durability(folder)
    stopping.journal.begin_generation()
    assert stopping.snapshot_now()
    print(json.dumps([start(folder), start(folder)]))  # noqa: T201  read by the test


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)
