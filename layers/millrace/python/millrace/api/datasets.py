"""The catalog as callers see it: datasets, and where each comes from and goes."""

from http import HTTPStatus
from typing import Any

from millrace.api.route import Call
from millrace.catalog.datasets import Catalog
from millrace.core.http import Problem
from millrace.queries import masks


class DatasetsApi:
    """Answers of the calls under `/v1/datasets`."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def list(self, call: Call) -> dict[str, Any]:
        """Every dataset by name; rows and moments are the caller's."""
        layer, limit = call.values.get("layer"), call.values["limit"]
        items, more = self._catalog.list(call.org, layer, call.after() or "", limit)
        return {"items": items, "cursor": call.cursor(items[-1]["name"] if more else None)}

    def get(self, call: Call) -> dict[str, Any]:
        """A dataset with its columns, how queries of the caller show each, and the results of its checks."""
        name, caller = call.values["name"], call.request.authenticated
        dataset = _known(self._catalog.get(call.org, name))
        # No query reads a table about nobody.
        is_read = dataset["k"] is None
        columns = [
            {
                **column,
                "visibility": masks.shown(caller, name, column["name"], column["classification"])
                if is_read
                else "absent",
            }
            for column in dataset["columns"]
        ]
        return {**dataset, "columns": columns}

    def lineage(self, call: Call) -> dict[str, Any]:
        """`{"upstream", "downstream", "columns"}` of a dataset."""
        return _known(self._catalog.lineage(call.values["name"], transitive=call.values["transitive"]))


def _known(dataset: dict[str, Any] | None) -> dict[str, Any]:
    if dataset is None:
        raise Problem(HTTPStatus.NOT_FOUND, "there is no such dataset")
    return dataset
