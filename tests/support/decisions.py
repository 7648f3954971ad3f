"""What a platform stored of its fraud decisions."""

from datetime import datetime

from millrace.contracts import registry
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import StoredEvent, from_item
from millrace.fraud.user import UserSets
from tests.support.platform import Platform


def at(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def stored(running: Platform) -> list[StoredEvent]:
    codec = Codec(registry.load().dictionary)
    return [from_item(row, codec) for row in running.rows("Events")]


def decisions(running: Platform) -> dict[tuple[str, str], StoredEvent]:
    """Tenant and id of the transaction's event → its decision; none is there twice."""
    made = [event for event in stored(running) if event.event_type == "fraud.decision.made"]
    by_source = {(event.org, event.envelope["platform"]["derivedFrom"]): event for event in made}
    assert len(by_source) == len(made)
    return by_source


def sets_of(running: Platform) -> dict[str, UserSets]:
    return {row["featureKey"]["S"]: UserSets.from_item(row) for row in running.rows("FeatureStore")}
