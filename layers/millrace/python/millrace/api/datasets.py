"""The catalog as callers see it: datasets, and where each comes from and goes."""

from http import HTTPStatus
from typing import Any

from millrace.api import params
from millrace.catalog.datasets import Catalog
from millrace.core.http import Problem, Request

LAYERS = ("raw", "silver", "gold", "marts", "ml_features", "exposure")


class DatasetsApi:
    """Answers of the calls under `/v1/datasets`."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def list(self, request: Request) -> dict[str, Any]:
        """Every dataset by name; rows and moments are the caller's."""
        params.only(request, ("layer", "limit", "cursor"))
        limit, org = params.limit(request), request.authenticated.org
        layer = request.query.get("layer")
        if layer is not None and layer not in LAYERS:
            raise Problem(HTTPStatus.BAD_REQUEST, f"layer must be one of {', '.join(LAYERS)}")
        cursor = params.Cursor(org, {"list": "datasets", "layer": layer})
        after = cursor.read(request, bool) or ""
        page, more = self._catalog.list(org, layer, after, limit)
        return {"items": page, "cursor": cursor.write(page[-1]["name"]) if more else None}

    def get(self, request: Request) -> dict[str, Any]:
        """A dataset with its columns and the results of its checks."""
        params.only(request, ())
        return _found(self._catalog.get(request.authenticated.org, request.path.get("name", "")))

    def lineage(self, request: Request) -> dict[str, Any]:
        """`{"upstream", "downstream", "columns"}` of a dataset."""
        params.only(request, ("transitive",))
        transitive = request.query.get("transitive", "false")
        if transitive not in ("true", "false"):
            raise Problem(HTTPStatus.BAD_REQUEST, "transitive must be true or false")
        name = request.path.get("name", "")
        return _found(self._catalog.lineage(name, transitive=transitive == "true"))


def _found(answer: dict[str, Any] | None) -> dict[str, Any]:
    if answer is None:
        raise Problem(HTTPStatus.NOT_FOUND, "there is no such dataset")
    return answer
