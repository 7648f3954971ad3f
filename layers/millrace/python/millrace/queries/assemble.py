"""Puts the queries together from a function's settings."""

import os
from collections.abc import Callable, Iterable
from typing import Protocol

from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.objects import Objects
from millrace.core.settings import Environment
from millrace.core.table import Table
from millrace.lake import duck
from millrace.privacy.assemble import subjects
from millrace.privacy.suppressed import Suppressed
from millrace.queries.results import Results
from millrace.queries.service import LeftOut, Limits, Queries
from millrace.queries.tables import Tables
from millrace.warehouse import project


class QuerySettings(Protocol):
    """Where the lake is, and what a query may use."""

    environment: Environment
    metadata_table: str
    subject_keys_table: str
    tenant_key_id: str
    lake_bucket: str
    memory_mb: int
    temp_mb: int
    read_mb: int


def queries(settings: QuerySettings) -> Queries:
    """Queries over the stores of these settings."""
    metadata = Table(client("dynamodb"), settings.metadata_table)
    results = Results(client("s3"), settings.lake_bucket)
    access = duck.S3Access.from_environment
    return Queries(tables(settings), metadata, results, limits(settings), access, left_out(settings))


def left_out(settings: QuerySettings) -> LeftOut:
    """The people whose rows are left out, of a tenant and a purpose."""
    return Suppressed(Table(client("dynamodb"), settings.subject_keys_table)).people


def numbers(settings: QuerySettings) -> Callable[[str, Iterable[str]], dict[str, str]]:
    """The numbers of people by their ids, of a tenant, without those who are not known."""
    dynamodb = client("dynamodb")
    metadata = Table(dynamodb, settings.metadata_table)
    return subjects(Table(dynamodb, settings.subject_keys_table), metadata, settings.tenant_key_id).numbers


def tables(settings: QuerySettings) -> Tables:
    """The tables of the lake, as queries find them."""
    lake = Objects(client("s3"), settings.lake_bucket)
    return Tables(client("glue"), settings.environment, lake, registry.load(), project.load)


def limits(settings: QuerySettings) -> Limits:
    """What one query may use."""
    return Limits(settings.memory_mb, settings.temp_mb, settings.read_mb, threads=os.cpu_count() or 1)
