"""What a tenant reads of the catalog: every dataset as it is described, whether or not a run has filled it, and what is in it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from millrace.catalog import lag, suspects
from millrace.catalog.lineage import RAW, Columns, LineageGraph, all_edges
from millrace.catalog.store import CatalogEntry, CatalogStore, DatasetChecks
from millrace.catalog.suspects import Suspect
from millrace.contracts.columns import glue_type
from millrace.contracts.registry import Registry
from millrace.contracts.tables import LakeTable
from millrace.core import clock
from millrace.eventstore.backlog import Backlog
from millrace.quality import results
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
    "log_shard": ("string", "The shard of the log that brought it; null in objects of earlier versions."),
    "log_sequence": ("string", "The number of its record in the shard."),
    "log_arrived_at": ("timestamp", "About when the log had its record."),
    "sealed_subject": ("bigint", "The number of the person whose key opens the sealed values."),
    "sealed_values": ("binary", "Protected values, encrypted for that person; null where there are none."),
}
# These hold whatever the sender put into a field of any class.
_WHOLE = frozenset({"payload", "metadata", "user_id"})


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset as it is described.

    Attributes:
        name: such as `marts.fct_transactions` or `exposure.revenue_overview`.
        layer: `raw`, `silver`, `gold`, `marts`, `ml_features`, `anonymised` or `exposure`.
        description: what it is, for people.
        owner: who answers for it.
        contract: which promise it keeps; None where nobody wrote one.
        columns: name, type, description, class and whether it is required, in order.
        refresh: how often it is made anew; None where it has no rows of its own.
        table: of the lake; None for raw, exposures and tables about nobody.
        upstream: what an exposure reads, or a table about nobody is made of.
        k: people that each row is about at least; None where rows may be about one.
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
    k: int | None = None


class Catalog:
    """The catalog of one set of contracts. Rows, moments and checks are those of the tenant that asks."""

    def __init__(
        self,
        store: CatalogStore,
        registry: Registry,
        load: Callable[[], Project],
        waiting: Callable[[str], Backlog],
        others: Callable[[], Iterable[Dataset]] = tuple,
    ) -> None:
        """Makes a catalog.

        Args:
            store: of runs.
            registry: of contracts.
            load: reads the warehouse, when the first call of the catalog needs it.
            waiting: a tenant's events that are archived and in no silver table yet.
            others: datasets that neither contracts nor the warehouse describe.
        """
        self._others = others
        self._store, self._registry, self._load, self._waiting = store, registry, load, waiting

    @cached_property
    def _datasets(self) -> dict[str, Dataset]:
        return datasets(self._registry, self._load(), self._others())

    @cached_property
    def _inputs(self) -> dict[str, tuple[str, ...]]:
        return {name: edges.inputs for name, edges in all_edges(self._registry, self._load()).items()}

    @cached_property
    def _sources(self) -> dict[str, Columns]:
        edges = all_edges(self._registry, self._load())
        return {name: one.columns for name, one in edges.items() if not name.startswith("silver.")}

    def list(self, org: str, layer: str | None, after: str, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """A page of datasets by name, and whether there are more.

        Raises:
            MillraceError: the store did not answer.
        """
        names = [
            name
            for name, one in self._datasets.items()
            if name > after and (layer is None or one.layer == layer)
        ]
        entries, checks = self._store.entries(org), self._checks(org)
        page, waiting = names[:limit], self._waiting(org)
        lines = [
            _line(
                self._datasets[name], entries.get(name), checks.get(name), self._lag(name, entries, waiting)
            )
            for name in page
        ]
        return lines, len(names) > limit

    def get(self, org: str, name: str) -> dict[str, Any] | None:
        """A dataset with its columns and checks; None if nothing describes it.

        Raises:
            MillraceError: the store did not answer.
        """
        dataset = self._datasets.get(name)
        if dataset is None:
            return None
        checks, entries = self._checks(org, name).get(name), self._store.entries(org)
        return {
            **_line(dataset, entries.get(name), checks, self._lag(name, entries, self._waiting(org))),
            **self._columns(org, dataset),
            "checks": list(checks.results) if checks is not None else [],
            "checkedAt": checks.at if checks is not None else None,
        }

    def _columns(self, org: str, dataset: Dataset) -> dict[str, Any]:
        """The columns, each with what is suspected of it; and what is of fields that the contract does not declare."""
        known = self._store.suspects(org)
        found: Mapping[str | None, Sequence[Suspect]] = {}
        if known and dataset.table is not None:
            silver = {
                table: suspects.by_column(
                    of_table, self._registry.of_ref(self._datasets[table].contract or "")
                )
                for table, of_table in known.items()
                if table in self._datasets
            }
            found = silver.get(dataset.name) or suspects.downstream(silver, self._sources, dataset.name)
        return {
            "columns": [
                {**column, "suspected": [one.to_json() for one in found.get(column["name"], ())]}
                for column in dataset.columns
            ],
            "undeclared": [{"pointer": one.pointer, **one.to_json()} for one in found.get(None, ())],
        }

    def lineage(self, name: str, *, transitive: bool) -> dict[str, Any] | None:
        """Where a dataset comes from and where it goes, as the newest runs made it; None if nothing describes it.

        Raises:
            MillraceError: the store did not answer.
        """
        if name not in self._datasets:
            return None
        graph = LineageGraph()
        for known in self._store.lineage().values():
            if known.dataset in self._datasets:
                graph.add(known.dataset, known.inputs, known.columns)
        for dataset in self._datasets.values():
            graph.add(dataset.name, dataset.upstream, {})
        columns = [column["name"] for column in self._datasets[name].columns]
        return graph.around(name, columns, transitive=transitive)

    def _lag(self, name: str, entries: Mapping[str, CatalogEntry], waiting: Backlog) -> dict[str, Any] | None:
        if self._datasets[name].table is None:
            return None
        changed = {table: entry.at for table, entry in entries.items()}
        return lag.document(waiting, lag.newer_inputs(name, self._inputs.get(name, ()), changed))

    def _checks(self, org: str, name: str | None = None) -> Mapping[str, DatasetChecks]:
        return {one.dataset: one for one in self._store.checks(org, dataset=name)}


def _line(
    dataset: Dataset, entry: CatalogEntry | None, checks: DatasetChecks | None, behind: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "layer": dataset.layer,
        "description": dataset.description,
        "owner": dataset.owner,
        "contract": dataset.contract,
        "refresh": dataset.refresh,
        "k": dataset.k,
        "rows": entry.rows if entry is not None else None,
        # As text: 64 bits are more than a number holds in JavaScript.
        "snapshot": str(entry.snapshot) if entry is not None and entry.snapshot is not None else None,
        # No run makes a release.
        "runId": entry.run or None if entry is not None else None,
        "updatedAt": entry.at if entry is not None else None,
        "freshness": _freshness(dataset, entry),
        "lag": behind,
        "quality": results.worst(one["status"] for one in checks.results) if checks is not None else None,
    }


def _freshness(dataset: Dataset, entry: CatalogEntry | None) -> dict[str, Any] | None:
    if dataset.table is None or dataset.table.freshness_hours is None:
        return None
    warn, error = dataset.table.freshness_hours
    newest, now = entry.newest if entry is not None else None, clock.now()
    return {
        "warnHours": warn,
        "errorHours": error,
        # A row of a day is as new as the day's end, which may not have come.
        "newest": None if newest is None else clock.utc_text(min(clock.from_epoch_millis(newest), now)),
        # Judged when it is read: a source that has stopped starts no run that would judge it.
        "status": results.freshness(dataset.table, newest, now),
    }


def datasets(registry: Registry, project: Project, others: Iterable[Dataset] = ()) -> dict[str, Dataset]:
    """Every dataset by name, in order; with `others`, which neither contracts nor the warehouse describe."""
    described = [_raw(), *map(_of_table, registry.tables().values()), *others]
    described += [
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
    return {dataset.name: dataset for dataset in sorted(described, key=lambda dataset: dataset.name)}


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
                and name not in ("region", "derived_from", "metadata", "sealed_subject", "sealed_values"),
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
