"""Edge: pins the tables that feature views or aggregates read, for a run, and divides its tenants into portions."""

from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.pin_sources.settings import Settings
from millrace.aggregates import registry as aggregates
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.objects import Objects
from millrace.features import views as feature_views
from millrace.iceberg.tables import catalog, open_table
from millrace.lake import sources
from millrace.runs.store import RunStore


@edge("pin_sources", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Records which snapshots the run reads; answers with portions of the tenants that have rows in them.

    `{"runId", "mostPortions"}` → `{"portions": [0, 1, …]}`; `{"runId", "portion", "portions"}` → `{"orgs": […]}`, the
    tenants of one of so many portions. `{"of": "aggregates"}` pins what aggregates are sealed from. `{"runId", "of": "silver"}`
    pins the files of silver that the run's plan merges with, → `{"files": 7}`.
    """
    runs, tables = RunStore(Objects(client("s3"), settings.lake_bucket)), registry.load().tables()

    def pin(event: Event, _: object) -> dict[str, Any]:
        lake = catalog(settings.environment, settings.lake_bucket)
        pinner = sources.Pinner(runs, partial(open_table, lake), tables)
        if event.get("of") == "silver":
            merged = pinner.pin_silver(event["runId"])
            files = sum(len(one.files) for one in merged.inputs)
            log.info("pinned silver", extra={"tables": len(merged.inputs), "files": files})
            return {"files": files}
        named = event.get("tables") or (
            aggregates.load().tables if event.get("of") == "aggregates" else feature_views.load().sources()
        )
        pinned = pinner.pin(event["runId"], named)
        orgs = sources.tenants(pinned)
        if "portion" in event:
            return {"orgs": list(sources.portion(orgs, event["portion"], event["portions"]))}
        count = sources.portions(orgs, event["mostPortions"])
        snapshots = {one.table: one.snapshot for one in pinned.inputs}
        log.info(
            "pinned", extra={"tenants": len(orgs), "portions": count, "at": pinned.at, "snapshots": snapshots}
        )
        return {"portions": list(range(count))}

    return pin
