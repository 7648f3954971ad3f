"""Edge: transforms a batch of tenant-days from raw to the files of silver."""

from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.transform_partitions.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.objects import Objects
from millrace.lake.raw_to_silver import SilverTransform
from millrace.lake.silver_batch import run_batch
from millrace.lake.worker import connect
from millrace.runs.store import RunStore


@edge("transform_partitions", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Transforms a batch of the plan; answers with how many parts it wrote, and how many tenant-days failed."""
    runs = RunStore(Objects(client("s3"), settings.lake_bucket))
    transform = SilverTransform(partial(connect, settings), registry.load(), settings.lake_bucket)

    def transform_batch(event: Event, _: object) -> dict[str, Any]:
        made = run_batch(runs, transform, event["runId"], event["batch"])
        failed = [{"org": part.org, "day": part.day, "error": part.error} for part in made.failures]
        log.info("transformed", extra={"batch": made.batch, "parts": len(made.parts), "failed": failed})
        return {"parts": len(made.parts), "failed": len(failed)}

    return transform_batch
