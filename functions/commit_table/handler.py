"""Edge: commits a table of a run, or lists the tables of silver that a run is to commit."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.commit_table.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.objects import Objects
from millrace.iceberg import tables
from millrace.iceberg.commit import Committer, silver_to_commit
from millrace.iceberg.optimizers import Optimizers
from millrace.runs.store import RunStore


@edge("commit_table", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """`{"runId", "list": true}` → `{"tables": […]}`, of silver; `{"runId", "table"}` commits it and answers with the result."""
    runs, glue = RunStore(Objects(client("s3"), settings.lake_bucket)), client("glue")

    def commit(event: Event, _: object) -> dict[str, Any]:
        if event.get("list"):
            return {"tables": list(silver_to_commit(runs, event["runId"]))}
        catalog = tables.catalog(settings.environment, settings.lake_bucket)
        optimizers = Optimizers(glue, catalog, settings.optimizer_role_arn, log.warning)
        committer = Committer(runs, catalog, registry.load().tables(), optimizers.of)
        done = committer.commit(event["runId"], event["table"])
        answer = {"table": done.table, "status": done.status, "rows": done.rows, "snapshot": done.snapshot}
        log.info("committed", extra={**answer, "left_out": len(done.left_out)})
        return answer

    return commit
