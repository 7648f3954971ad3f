"""Reconciliation, put together from its settings."""

from collections.abc import Callable
from typing import Any

from millrace.contracts.registry import Registry
from millrace.core.settings import FunctionSettings
from millrace.eventstore.append_to_log import LogAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import Projection
from millrace.reconcile.check import Check, SilverIds
from millrace.reconcile.dead import Letters
from millrace.reconcile.notes import Notes
from millrace.reconcile.raw_objects import RawObjects
from millrace.reconcile.repair import Repairs
from millrace.reconcile.results import Results
from millrace.reconcile.suspects import Suspects


class ReconcileSettings(FunctionSettings):
    """The stores that are compared, and the log that repairs go through."""

    events_table: str
    user_events_table: str
    metadata_table: str
    lake_bucket: str
    event_stream_arn: str


def check(
    dynamodb: Any,
    s3: Any,
    kinesis: Any,
    registry: Registry,
    silver: SilverIds,
    settings: ReconcileSettings,
    warn: Callable[[str], None],
) -> Check:
    """What looks at a tenant's hours of a day, with the ways in which it repairs."""
    letters = Letters(s3, dynamodb, settings.lake_bucket, settings.metadata_table)
    results = Results(dynamodb, settings.metadata_table)
    codec = Codec(registry.dictionary)
    repairs = Repairs(
        dynamodb,
        settings.metadata_table,
        LogAppender(kinesis, settings.event_stream_arn, warn),
        Projection(dynamodb, codec, registry.of_ref, settings.user_events_table),
        warn,
    )
    suspects = Suspects(
        dynamodb,
        registry,
        letters,
        results,
        repairs,
        events_table=settings.events_table,
        user_events_table=settings.user_events_table,
    )
    return Check(
        dynamodb,
        registry,
        RawObjects(s3, settings.lake_bucket, registry),
        Notes(s3, settings.lake_bucket),
        silver,
        results,
        suspects,
        events_table=settings.events_table,
        user_events_table=settings.user_events_table,
        metadata_table=settings.metadata_table,
    )
