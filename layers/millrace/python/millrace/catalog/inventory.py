"""The datasets that the contracts and the warehouse describe, whether or not a run has filled them yet. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from millrace.catalog.edges import RAW
from millrace.contracts.columns import glue_type
from millrace.contracts.registry import Registry
from millrace.contracts.tables import LakeTable
from millrace.warehouse.project import Project

EXPOSURE = "exposure"
# Columns of raw: type, and what they are. One fixed schema for all events; a test holds it to the archive's.
RAW_COLUMNS: Mapping[str, tuple[str, str]] = {
    "event_id": ("string", "The event's id, as it was sent."),
    "event_type": ("string", "Such as order.created."),
    "event_source": ("string", "Who said it."),
    "timestamp": ("string", "When it happened, as the sender wrote it."),
    "event_time": ("timestamp", "When it happened."),
    "version": ("string", "The version that the sender named."),
    "correlation_id": ("string", "Joins events of one flow."),
    "user_id": ("string", "The user it is about."),
    "session_id": ("string", "The session it happened in."),
    "environment": ("string", "Where it happened, as the sender calls it."),
    "region": ("string", "Where it happened, as the sender calls it."),
    "org_id": ("string", "The tenant."),
    "received_at": ("timestamp", "When intake had it."),
    "request_id": ("string", "The request that brought it."),
    "event_category": ("string", "Of its contract."),
    "contract": ("string", "The contract it kept, such as order.created/1.2.0."),
    "derived_from": ("string", "The event that the platform derived it from."),
    "payload": ("string", "What happened, as JSON."),
    "metadata": ("string", "What else was sent, as JSON."),
    "fingerprint": ("binary", "Tells another event under the same id from the same event again."),
    "expires_at": ("bigint", "When its row in the event store goes, in seconds since 1970."),
    "dictionary": ("string", "What its row was compressed with."),
}
# These hold whatever the sender put into a field of any class.
_WHOLE = frozenset({"payload", "metadata", "user_id"})


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset as it is described.

    Attributes:
        name: such as `marts.fct_transactions` or `exposure.revenue_overview`.
        layer: `raw`, `silver`, `gold`, `marts`, `ml_features` or `exposure`.
        description: what it is, for people.
        owner: who answers for it.
        contract: which promise it keeps; None where nobody wrote one.
        columns: name, type, description, class and whether it is required, in order.
        refresh: how often it is made anew; None where it has no rows of its own.
        table: of the lake; None for raw and exposures.
        upstream: what an exposure reads.
    """

    name: str
    layer: str
    description: str
    owner: str
    contract: str | None
    columns: tuple[dict[str, Any], ...]
    refresh: str | None
    table: LakeTable | None = None
    upstream: tuple[str, ...] = field(default=())


def datasets(registry: Registry, project: Project) -> dict[str, Dataset]:
    """Every dataset by name, in order."""
    found = [_raw(), *map(_of_table, registry.tables().values())]
    found += [
        Dataset(
            name=f"{EXPOSURE}.{exposure.name}",
            layer=EXPOSURE,
            description=f"{exposure.label}: {exposure.description}"
            if exposure.label
            else exposure.description,
            owner=exposure.owner,
            contract=None,
            columns=(),
            refresh=None,
            upstream=tuple(exposure.inputs),
        )
        for exposure in project.exposures
    ]
    return {dataset.name: dataset for dataset in sorted(found, key=lambda dataset: dataset.name)}


def _raw() -> Dataset:
    return Dataset(
        name=RAW,
        layer="raw",
        description="Every event ever accepted, as Parquet, by tenant, category and UTC day.",
        owner="platform",
        contract=None,
        columns=tuple(
            {
                "name": name,
                "type": kind,
                "description": description,
                "classification": "restricted" if name in _WHOLE else "internal",
                "required": name not in ("correlation_id", "user_id", "session_id", "environment")
                and name not in ("region", "derived_from", "metadata"),
            }
            for name, (kind, description) in RAW_COLUMNS.items()
        ),
        refresh=None,
    )


def _of_table(table: LakeTable) -> Dataset:
    return Dataset(
        name=table.full_name,
        layer=table.layer,
        description=table.description,
        owner=table.owner,
        contract=table.contract or None,
        columns=tuple(
            {
                "name": column.name,
                "type": glue_type(column.type),
                "description": column.description,
                "classification": column.classification,
                "required": column.required,
            }
            for column in table.columns
        ),
        refresh=table.refresh,
        table=table,
    )
