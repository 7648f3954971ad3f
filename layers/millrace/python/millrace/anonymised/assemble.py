"""Releases over the stores of a function's settings."""

from millrace.anonymised import definition
from millrace.anonymised.releases import Releases
from millrace.core.aws import client
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.lake import duck
from millrace.queries.assemble import QuerySettings, left_out, limits, tables


def releases(settings: QuerySettings) -> Releases:
    """Releases of tables about nobody."""
    return Releases(
        definition.load(),
        tables(settings),
        Objects(client("s3"), settings.lake_bucket),
        Table(client("dynamodb"), settings.metadata_table),
        limits(settings),
        duck.S3Access.from_environment,
        left_out(settings),
    )
