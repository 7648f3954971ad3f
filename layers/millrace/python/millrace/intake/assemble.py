"""Intake with its stores, wired for every edge that takes events."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from millrace.contracts import registry
from millrace.core.aws import Lazy, client
from millrace.core.objects import Objects
from millrace.core.prefixes import QUARANTINE
from millrace.core.settings import FunctionSettings
from millrace.core.table import Table
from millrace.core.uses import EVENTS, LAKE, LOG, METADATA, SUBJECT_KEYS, TENANT_KEY, uses
from millrace.eventstore.append import Appender, TableAppender, received_at
from millrace.eventstore.append_to_log import LogAppender
from millrace.eventstore.tenant_ids import TenantIds
from millrace.eventstore.tenant_key import TenantKeys, WrappedTenantKeys
from millrace.feeders.hours import Counting
from millrace.intake.accept import Intake
from millrace.privacy import assemble as privacy
from millrace.privacy import purposes
from millrace.privacy.consent import Purpose
from millrace.privacy.subjects import Subjects
from millrace.privacy.tenant_box import TenantBox
from millrace.quarantine.store import QuarantineStore


class IntakeSettings(FunctionSettings):
    """Settings of every function that takes events: where events, refused events and keys are, and how events are spread."""

    # Read is an event that names who was erased minutes before its own moment.
    events_table: str = uses(EVENTS, "put", "get")
    metadata_table: str = uses(METADATA, "get", "put", "write_all")
    subject_keys_table: str = uses(SUBJECT_KEYS, "batch_get", "put")
    lake_bucket: str = uses(LAKE, write=(QUARANTINE,))
    event_stream_arn: str = uses(LOG, "put")
    tenant_key_id: str = uses(TENANT_KEY, "decrypt", "generate")
    type_shards: int = 1


def quarantine(settings: IntakeSettings, secret_keys: TenantKeys | None = None) -> QuarantineStore:
    """The quarantine of these settings.

    Args:
        settings: name the stores.
        secret_keys: what secrets of tenants are made from, where the caller has them unwrapped for other work.
    """
    metadata = Table(client("dynamodb"), settings.metadata_table)
    box = TenantBox(secret_keys or privacy.tenant_keys(metadata, settings.tenant_key_id))
    return QuarantineStore(metadata, Objects(Lazy("s3"), settings.lake_bucket), box)


def intake(settings: IntakeSettings, log: Callable[[str], None]) -> Intake:
    """Intake over the stores of these settings, for a function."""
    metadata = Table(client("dynamodb"), settings.metadata_table)
    secret_keys = privacy.tenant_keys(metadata, settings.tenant_key_id)
    return intake_over(settings, log, registry.load(), purposes.load(), client("dynamodb"), Lazy, secret_keys)


def intake_over(
    settings: IntakeSettings,
    log: Callable[[str], None],
    contracts: registry.Registry,
    declared: Mapping[str, Purpose],
    dynamodb: Any,
    client_of: Callable[[str], Any],
    secret_keys: TenantKeys,
) -> Intake:
    """Intake over these stores and contracts, also for a command, which has clients and contracts of its own.

    Args:
        settings: name the stores.
        log: takes warnings.
        contracts: that events are judged by.
        declared: purposes by name.
        dynamodb: its client.
        client_of: the client of a service by its name.
        secret_keys: what secrets of tenants are made from.
    """
    events = Table(dynamodb, settings.events_table)
    appender = Appender(
        {
            "table": TableAppender(events, log),
            "none": LogAppender(client_of("kinesis"), settings.event_stream_arn, log),
        }
    )
    metadata = Table(dynamodb, settings.metadata_table)
    tenant_keys = WrappedTenantKeys(metadata, client_of("kms"), settings.tenant_key_id)
    lake = Objects(client_of("s3"), settings.lake_bucket)
    return Intake(
        contracts,
        appender,
        QuarantineStore(metadata, lake, TenantBox(secret_keys)),
        tenant_keys,
        Subjects(Table(dynamodb, settings.subject_keys_table), secret_keys),
        log,
        type_shards=settings.type_shards,
        takes_any_id=TenantIds(metadata).takes_any,
        purposes=declared,
        received=partial(received_at, events),
        took=Counting(metadata, log).took,
    )
