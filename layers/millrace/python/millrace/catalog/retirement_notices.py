"""`contract.retirement.announced`: tells each tenant that has rows of a major that the major will end.

Each run appends the notice that is due. Its id follows from the contract, the stage, the day of the end and the tenant, so
however many runs append it, there is one; a postponed end has notices of its own.
"""

from collections.abc import Iterator
from datetime import datetime

from millrace.catalog.store import CatalogStore
from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.contracts.retirement import Retirement
from millrace.contracts.tables import silver_table
from millrace.core import clock
from millrace.eventstore.emit import Emitter, PlatformEvent, stated

EVENT_TYPE = "contract.retirement.announced"
SOURCE = "millrace.contracts"


class RetirementNotices:
    """Emits the events."""

    def __init__(self, registry: Registry, catalog: CatalogStore, emitter: Emitter) -> None:
        self._registry, self._catalog, self._emitter = registry, catalog, emitter

    def append(self, now: datetime) -> int:
        """Stores each notice that is due and is not stored yet, and returns how many are due.

        Raises:
            RetryableError: not all are stored; storing all of them again changes nothing.
        """
        due = [notice for contract in self._registry.contracts for notice in self._of(contract, now)]
        self._emitter.emit(due)
        return len(due)

    def _of(self, contract: Contract, now: datetime) -> Iterator[PlatformEvent]:
        end = contract.retirement
        stage = end.stage(now) if end is not None else None
        if end is None or stage is None:
            return
        table = silver_table(contract).full_name
        for org in self._catalog.tenants():
            entry = self._catalog.entry(org, table)
            if entry is not None and entry.rows > 0:
                yield _event(contract, end, stage, org, now)


def _event(contract: Contract, end: Retirement, stage: str, org: str, now: datetime) -> PlatformEvent:
    ends = end.ends.isoformat()
    return stated(
        EVENT_TYPE,
        org=org,
        source=SOURCE,
        at=clock.utc_text(now),
        payload={
            "retired": contract.name,
            "replacedBy": f"{contract.event_type}.v{end.by}",
            "stage": stage,
            "announced": end.announced.isoformat(),
            "ends": ends,
            "decision": end.decision,
        },
        parts=(SOURCE, org, contract.name, stage, ends),
    )
