"""What a source brought in days that are over, brought once more: each kind may offer it, through the same intake.

What is there already is a duplicate, so days may overlap and a run that ended may be repeated. A kind that offers it has a
function in `KINDS`; the others have a sentence that says what to do in its place.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from cli.target import Target
    from millrace.feeders.binding import Binding


@dataclass(frozen=True, slots=True)
class Backfill:
    """What is to be brought.

    Attributes:
        target: the platform.
        bundle: contracts, sources and mappings of the checkout, compiled.
        source: which one.
        first: when what is wanted happened first.
        end: behind the last of it; never later than now. What comes is received then, so that a repeated run is the same requests.
    """

    target: "Target"
    bundle: Path
    source: "Binding"
    first: datetime
    end: datetime

    def intake(self) -> Any:
        """Intake of the platform, with the contracts of the checkout."""
        from cli.platform_intake import intake
        from millrace.contracts.registry import Registry
        from millrace.privacy import purposes

        return intake(self.target, Registry(self.bundle), purposes.load(self.bundle))


# Outcomes of events.
Run = Callable[[Backfill], Counter[str]]


def webhook(wanted: Backfill) -> Counter[str]:
    """What the provider keeps of what it has sent.

    Raises:
        RefusedError: it keeps nothing that can be asked for, or does not answer.
    """
    webhook_of = wanted.source.webhook
    if webhook_of is None or webhook_of.scheme != "stripe":
        raise RefusedError(
            f"{wanted.source.name}: its provider has no list of what it sent. Have it send again on its own page; what was taken is a duplicate"
        )
    return _stripe(wanted)


def _stripe(wanted: Backfill) -> Counter[str]:
    from cli import stripe_events
    from millrace.core import clock, exact_json
    from millrace.intake.enrich import Origin
    from millrace.webhooks.delivery import Delivery
    from millrace.webhooks.messages import KIND, batches
    from millrace.webhooks.sources import readers

    key = os.environ.get("STRIPE_API_KEY", "")
    if not key:
        raise UsageError("STRIPE_API_KEY is empty: it is a restricted key of Stripe's that may read events")
    source = wanted.source
    reader = next(one for one in readers(wanted.target.env, wanted.bundle) if one.binding.name == source.name)
    outcomes: Counter[str] = Counter()
    intake = wanted.intake()
    for after, events in stripe_events.pages(key, wanted.first, wanted.end):
        body = exact_json.dumps(events)
        candidates = reader.candidates(Delivery("GET", stripe_events.ADDRESS, {}, body), body, wanted.end)
        for number, batch in enumerate(batches(candidates)):
            name = f"backfill-{clock.epoch(wanted.first)}-{clock.epoch(wanted.end)}-{after}-{number}"
            origin = Origin(source.org, source.name, name, wanted.end, kind=KIND)
            outcomes.update(str(one.outcome) for one in intake.accept(batch, origin))
    return outcomes


KINDS: Mapping[str, Run] = {"webhook": webhook}
INSTEAD = {
    "bus": "EventBridge keeps nothing unless the bus has an archive: start a replay of the archive to the rule of this source. "
    "What was taken is a duplicate",
    "postgres": "millrace sources restart NAME takes a snapshot of all rows with the next read; a database does not know what they were before",
}


def run(
    target: "Target", root: Path, name: str, first: datetime, end: datetime
) -> "tuple[Binding, Counter[str]]":
    """Brings what a source brought, if its kind can.

    Args:
        target: the platform.
        root: of the checkout, whose contracts and sources count.
        name: of the source.
        first: when what is wanted happened first.
        end: behind the last of it.

    Raises:
        UsageError: there is no such source here, or a contract is wrong.
        RefusedError: its kind cannot.
    """
    from cli import operators
    from millrace.compiler.bundle import assemble
    from millrace.compiler.sentences import meant
    from millrace.compiler.warehouse.errors import WarehouseError
    from millrace.contracts.errors import ContractError
    from millrace.core import clock
    from millrace.core.table import Table
    from millrace.feeders import binding

    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder)
        try:
            assemble(root / "schemas", root / "warehouse", bundle)
        except (ContractError, WarehouseError) as error:
            raise UsageError(str(error)) from error
        known = {one.name: one for one in binding.load(target.env, bundle)}
        if name not in known:
            raise UsageError(f"no source in {target.env} is called {name}{meant(name, known)}")
        source = known[name]
        kind = KINDS.get(source.kind)
        if kind is None:
            instead = INSTEAD.get(source.kind, "what it has to say again is its sender's business")
            raise RefusedError(f"{name} is of kind {source.kind}, which is not asked again: {instead}")
        metadata = Table(target.client("dynamodb"), target.output("MetadataTable"))
        detail = {"source": name, "from": clock.utc_text(first), "to": clock.utc_text(end)}
        operators.audit(metadata, source.org, "sources.backfill", detail)
        return source, kind(Backfill(target, bundle, source, first, end))
