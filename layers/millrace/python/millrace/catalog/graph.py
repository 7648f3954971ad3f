"""Datasets and columns by where they come from and where they go. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_Edges = dict[str, set[str]]


class Graph:
    """Edges of datasets, and of columns as `dataset.column`."""

    def __init__(self) -> None:
        self._up: _Edges = defaultdict(set)
        self._down: _Edges = defaultdict(set)
        self._columns_up: _Edges = defaultdict(set)
        self._columns_down: _Edges = defaultdict(set)

    def add(self, name: str, inputs: Iterable[str], columns: Mapping[str, Iterable[Sequence[str]]]) -> None:
        """What a dataset and its columns are made of."""
        for source in inputs:
            self._up[name].add(source)
            self._down[source].add(name)
        for column, sources in columns.items():
            for table, field in sources:
                self._columns_up[f"{name}.{column}"].add(f"{table}.{field}")
                self._columns_down[f"{table}.{field}"].add(f"{name}.{column}")

    def around(self, name: str, columns: Iterable[str], *, transitive: bool) -> dict[str, Any]:
        """Neighbours of a dataset and its columns; with `transitive` all that they come from and go to.

        Args:
            name: of the dataset.
            columns: that its contract has; those that only its last run knew are told as well.
            transitive: whether neighbours of neighbours count.
        """
        known = {f"{name}.{column}" for column in columns}
        known |= {at for at in self._columns_up if at.rpartition(".")[0] == name}
        told = {
            at.rpartition(".")[2]: {
                "upstream": _reached(self._columns_up, at, transitive),
                "downstream": _reached(self._columns_down, at, transitive),
            }
            for at in sorted(known)
        }
        return {
            "upstream": _reached(self._up, name, transitive),
            "downstream": _reached(self._down, name, transitive),
            "columns": {column: edges for column, edges in told.items() if any(edges.values())},
        }


def _reached(edges: _Edges, start: str, transitive: bool) -> list[str]:
    found: set[str] = set()
    left = [start]
    while left:
        new = edges.get(left.pop(), set()) - found
        found |= new
        if transitive:
            left.extend(new)
    return sorted(found - {start})
