"""Imports with their stores, wired."""

from collections.abc import Callable
from typing import Protocol

from millrace.core.aws import Lazy, client
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.imports.importing import Importing
from millrace.imports.jobs import Imports
from millrace.intake.assemble import IntakeSettings, intake
from millrace.privacy import assemble as privacy
from millrace.privacy.tenant_box import TenantBox


class BoxSettings(Protocol):
    """Settings of whoever reads what is kept of imports."""

    metadata_table: str
    lake_bucket: str
    tenant_key_id: str


def box(settings: BoxSettings) -> TenantBox:
    """What seals parts of files."""
    metadata = Table(client("dynamodb"), settings.metadata_table)
    return TenantBox(privacy.tenant_keys(metadata, settings.tenant_key_id))


def importing(settings: IntakeSettings, *, rows_per_second: float, log: Callable[[str], None]) -> Importing:
    """The steps over the stores of these settings."""
    metadata, taking = Table(client("dynamodb"), settings.metadata_table), intake(settings, log)
    return Importing(
        taking,
        Imports(metadata),
        Objects(Lazy("s3"), settings.lake_bucket),
        metadata,
        box(settings),
        rows_per_second,
        log,
    )
