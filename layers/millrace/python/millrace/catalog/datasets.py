"""What a tenant reads of the catalog: every dataset as the contracts describe it, and what a run has put there for it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from millrace.catalog.graph import Graph
from millrace.catalog.inventory import Dataset, datasets
from millrace.catalog.store import CatalogStore, Checked, Entry
from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.quality import results
from millrace.warehouse.project import Project


class Catalog:
    """The catalog of one set of contracts. Rows, moments and checks are those of the tenant who asks."""

    def __init__(self, store: CatalogStore, registry: Registry, load: Callable[[], Project]) -> None:
        """`load` gives the warehouse, when the first call of the catalog needs it."""
        self._store, self._registry, self._load = store, registry, load

    @cached_property
    def _datasets(self) -> dict[str, Dataset]:
        return datasets(self._registry, self._load())

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
        entries, checked = self._store.entries(org), self._checked(org)
        page = names[:limit]
        told = [_line(self._datasets[name], entries.get(name), checked.get(name)) for name in page]
        return told, len(names) > limit

    def get(self, org: str, name: str) -> dict[str, Any] | None:
        """A dataset with its columns and checks; None if nothing describes it.

        Raises:
            MillraceError: the store did not answer.
        """
        dataset = self._datasets.get(name)
        if dataset is None:
            return None
        checked = self._checked(org, name).get(name)
        return {
            **_line(dataset, self._store.entry(org, name), checked),
            "columns": list(dataset.columns),
            "checks": list(checked.results) if checked is not None else [],
            "checkedAt": checked.at if checked is not None else None,
        }

    def lineage(self, name: str, *, transitive: bool) -> dict[str, Any] | None:
        """Where a dataset comes from and where it goes, as the newest runs made it; None if nothing describes it.

        Raises:
            MillraceError: the store did not answer.
        """
        if name not in self._datasets:
            return None
        graph = Graph()
        for made in self._store.made().values():
            if made.dataset in self._datasets:
                graph.add(made.dataset, made.inputs, made.columns)
        for dataset in self._datasets.values():
            graph.add(dataset.name, dataset.upstream, {})
        columns = [column["name"] for column in self._datasets[name].columns]
        return graph.around(name, columns, transitive=transitive)

    def _checked(self, org: str, name: str | None = None) -> Mapping[str, Checked]:
        return {one.dataset: one for one in self._store.checked(org, dataset=name)}


def _line(dataset: Dataset, entry: Entry | None, checked: Checked | None) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "layer": dataset.layer,
        "description": dataset.description,
        "owner": dataset.owner,
        "contract": dataset.contract,
        "refresh": dataset.refresh,
        "rows": entry.rows if entry is not None else None,
        # As text: 64 bits are more than a number holds in JavaScript.
        "snapshot": str(entry.snapshot) if entry is not None and entry.snapshot is not None else None,
        "runId": entry.run if entry is not None else None,
        "updatedAt": entry.at if entry is not None else None,
        "freshness": _freshness(dataset, entry),
        "quality": results.worst(one["status"] for one in checked.results) if checked is not None else None,
    }


def _freshness(dataset: Dataset, entry: Entry | None) -> dict[str, Any] | None:
    if dataset.table is None or dataset.table.freshness_hours is None:
        return None
    warn, error = dataset.table.freshness_hours
    newest, now = entry.newest if entry is not None else None, clock.now()
    return {
        "warnHours": warn,
        "errorHours": error,
        # A row of a day is as new as the day's end, which may not have come.
        "newest": None
        if newest is None
        else clock.utc_text(min(datetime.fromtimestamp(newest / 1000, UTC), now)),
        # Judged when it is read: a source that has stopped brings no run that could tell.
        "status": results.freshness(dataset.table, newest, now),
    }
