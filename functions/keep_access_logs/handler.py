"""Edge: takes the gateway's access log from CloudWatch Logs, and keeps it in the lake."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.keep_access_logs.settings import Settings
from millrace.audit import access_logs
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.objects import Objects


@edge("keep_access_logs", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Writes an object for each hour of a batch; Lambda tries twice more, and then keeps the batch among failed invocations."""
    lake = Objects(client("s3"), settings.lake_bucket)

    def keep(event: Event, _: object) -> dict[str, Any]:
        kept = 0
        for key, body in access_logs.objects(event):
            lake.put(key, body, content_type="application/gzip", doing="keep access log")
            kept += 1
        log.debug("kept", extra={"objects": kept})
        return {"objects": kept}

    return keep
