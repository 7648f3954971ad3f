"""What the real handlers ask of AWS, recorded for `millrace cost`: `python -m bench.cost_calls` writes the file.

Each handler runs over clients without a network, with requests or batches of 1, 10, 100 and 500 events, and the archive with 1,000.
What it asks is counted as AWS counts it; CPU is this machine's, so it is the one figure that another machine records differently.
"""

import base64
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import orjson

from bench import cost_online, cost_tiles, edge, sent
from bench.__main__ import surroundings
from bench.cost_clients import ENVIRON, Recorded, Recording
from millrace.core import aws, clock
from millrace.core.edge import Handler
from millrace.core.log import logger
from millrace.eventstore.consumers import ARCHIVE, COUNTER, PROJECTION, ROUTER, SCORER, ConsumerSpec, Source
from tests.support import events as made
from tests.support.functions import function

FILE = Path(__file__).resolve().parent.parent / "cli" / "costing" / "calls.json"
SIZES = (1, 10, 100, 500)
# A full batch of the archive: of more events than a request has.
ARCHIVE_SIZE = 1000
ROUNDS = 3
SAMPLES = Path(__file__).resolve().parent.parent / "schemas" / "events"
Rows = list[dict[str, Any]]


def record(sizes: Sequence[int] = SIZES, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Every trace: profile, function and number of events, with what was used."""
    traces = [trace for size in sizes for profile in PROFILES for trace in _profile(profile, size, rounds)]
    if max(sizes) == SIZES[-1]:
        traces += [_archived(profile, rounds) for profile, read in CONSUMERS.items() if ARCHIVE in read]
        traces += map(cost_online.trace, cost_online.RATES)
        traces += [_trace("mix", "fold_tiles", size, cost_tiles.fold(size)) for size in cost_tiles.MINUTES]
        traces += [_trace("mix", "seal_tiles", size, cost_tiles.seal(size)) for size in cost_tiles.DAYS]
    return traces


def _profile(profile: str, size: int, rounds: int) -> Iterator[dict[str, Any]]:
    events = PROFILES[profile](size)

    def request() -> dict[str, Any]:
        return edge.call(sent.body(_fresh(events)), _request_id())

    recorded = _run("post_events", request, rounds)
    yield _trace(profile, "post_events", size, recorded)
    for consumer in CONSUMERS.get(profile, ()):
        stem, batch = consumer.function, {"Records": _delivered(consumer, recorded)}
        yield _trace(profile, stem, size, _run(stem, partial(dict, batch), rounds))


def _archived(profile: str, rounds: int) -> dict[str, Any]:
    """A full batch of the archive, of several requests."""
    events, taken = PROFILES[profile](ARCHIVE_SIZE), Recorded()
    for start in range(0, ARCHIVE_SIZE, SIZES[-1]):
        body = sent.body(_fresh(events[start : start + SIZES[-1]]))
        recorded = _run("post_events", partial(edge.call, body, _request_id()), 1)
        taken.changes += recorded.changes
        taken.records += recorded.records
    batch = {"Records": _delivered(ARCHIVE, taken)}
    return _trace(
        profile, ARCHIVE.function, ARCHIVE_SIZE, _run(ARCHIVE.function, partial(dict, batch), rounds)
    )


def _request_id() -> str:
    """As long as an HTTP API makes them, such as `JKJaXmPLvHcESHA=`: it is stored with each event."""
    return base64.b64encode(os.urandom(11)).decode()


def _fresh(events: Rows) -> Rows:
    return [{**event, "eventId": made.new_id()} for event in events]


def _mix(size: int) -> Rows:
    return sent.copies(size, 1)


def _sample(path: str) -> dict[str, Any]:
    sample: dict[str, Any] = orjson.loads((SAMPLES / path / "samples" / "v1.golden.json").read_bytes())[0]
    return sample


def _moment(number: int) -> str:
    """A minute of an hour of one UTC day: where events lie by day, they lie in one place whenever this is recorded."""
    return clock.utc_text(sent.START + timedelta(minutes=number % 60))


def _defaults(size: int) -> Rows:
    """A type with a user and the default indexes, `type` and `user`: nothing that another index would hold."""
    sample = _sample("identity/user.profile_updated")
    sample.pop("correlationId", None)
    return [{**sample, "timestamp": _moment(n)} for n in range(size)]


def _lake_only(size: int) -> Rows:
    sample, rng = _sample("campaigns/rule.evaluated"), random.Random(3)  # noqa: S311  no secret
    return [_evaluated(sample, _moment(n), rng) for n in range(size)]


def _evaluated(sample: dict[str, Any], at: str, rng: random.Random) -> dict[str, Any]:
    """As like each other as evaluations are, and no more: what is alike costs nothing in Parquet."""
    drawn = {
        "ruleId": f"rule_{rng.randrange(500)}",
        "campaignId": f"cmp_{rng.randrange(90)}",
        "value": round(rng.uniform(0, 900), 3),
        "durationMs": round(rng.uniform(0, 40), 2),
        "evaluatedAt": at,
    }
    payload = sample["data"]["payload"]
    drawn = {name: value for name, value in drawn.items() if name in payload}
    return {**sample, "timestamp": at, "data": {**sample["data"], "payload": {**payload, **drawn}}}


def _transactions(size: int) -> Rows:
    return [made.transaction(user=number % max(1, size // 2)) for number in range(size)]


def _refused(size: int) -> Rows:
    broken = [made.order() for _ in range(size)]
    for event in broken:
        del event["data"]["payload"]["totalAmount"]
    return broken


PROFILES: dict[str, Callable[[int], Rows]] = {
    "mix": _mix,
    "default": _defaults,
    "lake-only": _lake_only,
    "transactions": _transactions,
    "refused": _refused,
}
CONSUMERS = {
    "mix": (ARCHIVE, PROJECTION, ROUTER, COUNTER),
    "default": (ARCHIVE, PROJECTION, ROUTER),
    "lake-only": (ARCHIVE,),
    "transactions": (SCORER,),
}


def _delivered(consumer: ConsumerSpec, recorded: Recorded) -> Rows:
    """What intake wrote, as Lambda delivers it to a consumer."""
    if consumer.source is Source.TABLE_STREAM:
        return [_table_record(json.loads(change), number) for number, change in enumerate(recorded.changes)]
    data = recorded.changes or recorded.records
    return [
        {
            "eventID": f"shardId-000000000000:{number:020d}",
            "eventSource": "aws:kinesis",
            "kinesis": {
                "data": base64.b64encode(body).decode(),
                "sequenceNumber": f"{number:020d}",
                "approximateArrivalTimestamp": time.time(),
            },
        }
        for number, body in enumerate(data)
    ]


def _table_record(change: dict[str, Any], number: int) -> dict[str, Any]:
    whole = {"SequenceNumber": f"{number:020d}", "ApproximateCreationDateTime": time.time()}
    return {**change, "dynamodb": {**change["dynamodb"], **whole}}


@contextmanager
def _handler(stem: str, recording: Recording) -> Iterator[Handler]:
    aws.client.cache_clear()
    # A Logger keeps the stream that it was made with.
    logger.cache_clear()
    with redirect_stdout(recording.lines), function(stem, ENVIRON) as handler:
        for service in ("dynamodb", "s3", "kinesis", "kms", "events"):
            recording.attach(aws.client(service))
        yield handler
    aws.client.cache_clear()


def _run(stem: str, event: Callable[[], dict[str, Any]], rounds: int) -> Recorded:
    """Calls the handler warm; of the rounds the quickest one's CPU counts."""
    recording, spent = Recording(), []
    with _handler(stem, recording) as handler:
        handler(event(), None)
        for _ in range(rounds):
            recording.start()
            given = event()
            before = time.process_time()
            handler(given, None)
            spent.append((time.process_time() - before) * 1000)
        recorded = recording.recorded()
    recorded.cpu_ms = min(spent)
    return recorded


def _trace(profile: str, stem: str, size: int, recorded: Recorded) -> dict[str, Any]:
    return {
        "profile": profile,
        "function": stem,
        "events": size,
        "usage": _rounded(recorded.usage),
        "calls": dict(sorted(recorded.calls.items())),
        "cpuMs": round(recorded.cpu_ms, 2),
        "logBytes": recorded.log_bytes,
        "stored": {name: _rounded(held) for name, held in sorted(recorded.stored.items())},
        "objects": {name: _rounded(held) for name, held in sorted(recorded.objects.items())},
    }


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: ceil(value * 10) / 10 for name, value in sorted(numbers.items())}


def main() -> int:
    """Records and writes."""
    with surroundings():
        traces = record()
    lines = ",\n  ".join(json.dumps(trace, separators=(", ", ": ")) for trace in traces)
    FILE.write_text(f"[\n  {lines}\n]\n")
    sys.stdout.write(f"{len(traces)} traces in {FILE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
