"""The bill of a month at a steady rate: what stands idle, and what a million events of the mix cost, by AWS service."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from cli.costing import confidence, mix
from cli.costing.confidence import Confidence
from cli.costing.prices import HOURS_A_MONTH, Prices

SECONDS_A_MONTH = HOURS_A_MONTH * 3600
MILLION = 1_000_000
# The first part of a price's name → the service whose bill it is on.
SERVICES = {
    "api": "API Gateway",
    "athena": "Athena",
    "cloudwatch": "CloudWatch",
    "dynamodb": "DynamoDB",
    "events": "EventBridge",
    "glue": "Glue",
    "kinesis": "Kinesis Data Streams",
    "kms": "KMS",
    "lambda": "Lambda",
    "logs": "CloudWatch",
    "s3": "S3",
    "scheduler": "EventBridge",
    "sns": "SNS",
    "sqs": "SQS",
    "states": "Step Functions",
    "vpc": "PrivateLink",
    "xray": "X-Ray",
}
# Events flow through the shards that stand there anyway, until these do not suffice.
_STANDING = ("kinesis.shard", "kinesis.retention_shard", "kinesis.fan_out_shard")


@dataclass(frozen=True, slots=True)
class Line:
    """Dollars a month of one price, and how far their quantity can be relied on."""

    item: str
    dollars: float
    is_idle: bool
    confidence: Confidence


def lines(
    idle: Mapping[str, float],
    paths: Mapping[str, Mapping[str, float]],
    profile: mix.Mix,
    prices: Prices,
    a_second: float,
) -> Iterator[Line]:
    """The lines of the bill.

    Args:
        idle: what a month without events uses, in the price table's units.
        paths: path → what a million events use on it.
        profile: of the traffic.
        prices: the price table.
        a_second: accepted events a second, all month long.
    """
    for item, quantity in idle.items():
        yield Line(item, prices.dollars[item] * quantity, True, confidence.when_idle(item))
    millions = a_second * SECONDS_A_MONTH / MILLION
    standing = dict.fromkeys(_STANDING, 0.0)
    for path, weight in mix.weights(profile).items():
        for item, quantity in paths[path].items():
            used = quantity * weight * millions
            if item in standing:
                standing[item] += used
            elif used:
                yield Line(item, prices.dollars[item] * used, False, confidence.PATHS[path])
    for item, hours in standing.items():
        more = ceil(hours / HOURS_A_MONTH) * HOURS_A_MONTH - idle.get(item, 0.0)
        if more > 0:
            yield Line(item, prices.dollars[item] * more, False, Confidence.MEASURED)


def bill(found: Iterator[Line], a_second: float) -> dict[str, Any]:
    """The bill by service, the most expensive first, each with its dollars by confidence."""
    services: dict[str, dict[str, float]] = {}
    total = _empty()
    for line in found:
        service = services.setdefault(SERVICES[line.item.split(".")[0]], _empty())
        for one in (service, total):
            one["dollars"] += line.dollars
            one["idle"] += line.dollars * line.is_idle
            one[str(line.confidence)] += line.dollars
    ordered = sorted(services.items(), key=lambda one: -one[1]["dollars"])
    return {
        "eventsPerSecond": a_second,
        "eventsPerMonth": round(a_second * SECONDS_A_MONTH),
        **_rounded(total),
        "services": [{"service": name, **_rounded(one)} for name, one in ordered],
    }


def _empty() -> dict[str, float]:
    return dict.fromkeys(("dollars", "idle", *map(str, Confidence)), 0.0)


def _rounded(one: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in one.items()}
