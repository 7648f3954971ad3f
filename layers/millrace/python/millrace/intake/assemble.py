"""Intake with its stores, wired for every edge that takes events."""

from collections.abc import Callable
from functools import partial

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
from millrace.intake.accept import Intake
from millrace.privacy import assemble as privacy
from millrace.privacy import purposes
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
    """Intake over the stores of these settings."""
    dynamodb = client("dynamodb")
    events = Table(dynamodb, settings.events_table)
    appender = Appender(
        {
            "table": TableAppender(events, log),
            "none": LogAppender(Lazy("kinesis"), settings.event_stream_arn, log),
        }
    )
    metadata = Table(dynamodb, settings.metadata_table)
    tenant_keys = WrappedTenantKeys(metadata, Lazy("kms"), settings.tenant_key_id)
    secret_keys = privacy.tenant_keys(metadata, settings.tenant_key_id)
    return Intake(
        registry.load(),
        appender,
        quarantine(settings, secret_keys),
        tenant_keys,
        Subjects(Table(dynamodb, settings.subject_keys_table), secret_keys),
        log,
        type_shards=settings.type_shards,
        takes_any_id=TenantIds(metadata).takes_any,
        purposes=purposes.load(),
        received=partial(received_at, events),
    )
