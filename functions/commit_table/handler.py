"""Edge: a table of a run, to be committed."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.commit_table.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.iceberg import tables
from millrace.iceberg.commit import Committer
from millrace.iceberg.optimizers import Optimizers
from millrace.runs.store import RunStore

NAME = "commit_table"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Commits what the run wrote for a table; answers what came of it."""
    settings = _settings()
    catalog = tables.catalog(settings.environment, settings.lake_bucket)
    committer = Committer(
        RunStore(client("s3"), settings.lake_bucket),
        catalog,
        registry.load().tables(),
        Optimizers(client("glue"), catalog, settings.optimizer_role_arn, _log().warning).of,
    )
    done = committer.commit(event["runId"], event["table"])
    answer = {"table": done.table, "status": done.status, "rows": done.rows, "snapshot": done.snapshot}
    _log().info("committed", extra={**answer, "left_out": len(done.left_out)})
    return answer
