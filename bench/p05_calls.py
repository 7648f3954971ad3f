"""P5: calls, counted at the network: n events are n conditional puts, at most 32 under way, and nothing else.

Warm: the tenant's key is unwrapped. Events of `store: none` go in ⌈n/500⌉ PutRecords. Duplicates and conflicts are
known from the answer to the put itself, so they cost no read. Online features of any number of views are one read.
"""

from pathlib import Path

import boto3
import orjson

from bench import edge, sent
from bench.figure import Figure
from bench.stubs import Network, Stored
from millrace.core import limits
from millrace.core.table import Table
from millrace.features import views as feature_views
from millrace.features.online import OnlineStore
from tests.support import events as made

SAMPLE = Path("schemas/events/campaigns/rule.evaluated/samples/v1.golden.json")
READ = "dynamodb.BatchGetItem"
PUT, RECORDS = "dynamodb.PutItem", "kinesis.PutRecords"


def measure() -> list[Figure]:
    """Calls over what they may be; 1 is exactly that."""
    return [*_accepted(100), *_accepted(500), *_log_only(), *_taken(), *_features()]


def _accepted(size: int) -> list[Figure]:
    network = _run(_bodies(size), seconds=0.01)
    others = sum(network.calls.values()) - network.calls[PUT]
    return [
        Figure("P5", f"puts / events, {size} events", network.calls[PUT] / size, 1),
        Figure("P5", f"puts under way at once / 32, {size} events", network.most / limits.IN_FLIGHT, 1),
        Figure("P5", f"other calls on the accept path, {size} events", others, 0),
    ]


def _log_only() -> list[Figure]:
    event = orjson.loads(SAMPLE.read_bytes())[0]
    figures = []
    for size in (100, 500):
        sample = [{**event, "timestamp": made.moment(), "eventId": made.new_id()} for _ in range(size)]
        network = _run([sent.body(sample)] * 2)
        others = sum(network.calls.values()) - network.calls[RECORDS]
        figures += [
            Figure("P5", f"PutRecords / ⌈n/500⌉, {size} events of store none", network.calls[RECORDS], 1),
            Figure("P5", f"other calls, {size} events of store none", others, 0),
        ]
    return figures


def _taken() -> list[Figure]:
    figures = []
    cases: tuple[tuple[Stored, str], ...] = (("same", "duplicates"), ("other", "conflicts"))
    for stored, what in cases:
        network = _run(_bodies(100), stored=stored)
        reads = sum(count for name, count in network.calls.items() if "Get" in name or "Query" in name)
        figures += [
            Figure("P5", f"puts / events, 100 {what}", network.calls[PUT] / 100, 1),
            Figure("P5", f"reads, 100 {what}", reads, 0),
        ]
    return figures


def _features() -> list[Figure]:
    views = feature_views.load()
    chosen = [f"{name}:{one}" for name in views.names() for one in views.view(name).features]
    entity: dict[str, object] = {"user_id": 42, "merchant": "Nile", "product_id": "sku_1", "amount": 9.5}
    network = Network()
    table = network.attach(boto3.client("dynamodb", region_name="us-east-1"))
    store = OnlineStore(Table(table, "FeatureStore"), views)
    store.get_online_features("org_acme", features=chosen, entity_rows=[entity], full_feature_names=True)
    others = sum(network.calls.values()) - network.calls[READ]
    return [
        Figure(
            "P5", f"reads of {len(views.names())} feature views of one entity row", network.calls[READ], 1
        ),
        Figure("P5", "other calls of that", others, 0),
    ]


def _bodies(size: int) -> list[bytes]:
    return [sent.body(sent.copies(size, number)) for number in (1, 2)]


def _run(bodies: list[bytes], *, seconds: float = 0.0, stored: Stored = "nothing") -> Network:
    """A cold request, then a warm one that is counted."""
    network = Network()
    with edge.post_events(network) as handler:
        handler(edge.call(bodies[0], "cold"), None)
        network.calls.clear()
        network.seconds, network.stored, network.most = seconds, stored, 0
        answer = handler(edge.call(bodies[1], "warm"), None)
    if answer["statusCode"] != (400 if stored == "other" else 202):
        raise AssertionError(answer["body"][:500])
    return network
