"""Edge: maintains a table, or lists the tables."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger

from functions.maintain_table.settings import Settings
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.objects import Objects
from millrace.iceberg import glue_tables, tables
from millrace.iceberg.maintenance import maintain
from millrace.iceberg.optimizers import OptimizerRuns


@edge("maintain_table", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """`{"list": true}` → `{"tables": […]}`; `{"table": name}` → what was done to it."""

    def maintain_table(event: Event, _: object) -> dict[str, Any]:
        if event.get("list"):
            return {"tables": sorted(glue_tables.locations(client("glue"), settings.environment))}
        catalog = tables.catalog(settings.environment, settings.lake_bucket)
        done = maintain(
            catalog,
            Objects(client("s3"), settings.lake_bucket),
            event["table"],
            clock.now(),
            keep_days=settings.keep_days,
            keep_snapshots=settings.keep_snapshots,
            failed_optimizers=OptimizerRuns(client("glue"), catalog, settings.catalog_id).failed,
        )
        log.info("maintained", extra=asdict(done))
        # There may be thousands of them, and a state machine holds 256 KB.
        return {**asdict(done), "unmerged": len(done.unmerged)}

    return maintain_table
