"""Edge: a table to be kept in shape, or the question which tables there are."""

import os
from dataclasses import asdict
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.maintain_table.settings import Settings
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.iceberg import glue_tables, tables
from millrace.iceberg.maintenance import maintain

NAME = "maintain_table"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers `{"tables": […]}` to `{"list": true}`, and what was done to `{"table": name}`."""
    settings = _settings()
    if event.get("list"):
        return {"tables": sorted(glue_tables.locations(client("glue"), settings.environment))}
    done = asdict(
        maintain(
            tables.catalog(settings.environment, settings.lake_bucket),
            client("s3"),
            event["table"],
            clock.now(),
            keep_days=settings.keep_days,
            keep_snapshots=settings.keep_snapshots,
        )
    )
    _log().info("maintained", extra=done)
    return done
