"""The people whose rows a worker leaves out, from where they are listed."""

from collections.abc import Callable
from typing import Protocol

from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.table import Table
from millrace.lake.sources import LeftOut
from millrace.privacy.suppressed import Suppressed
from millrace.warehouse import project
from millrace.warehouse.persons import person_columns


class SuppressionSettings(Protocol):
    """Where people are: `query` on the index `listed-index`."""

    subject_keys_table: str


def left_out(settings: SuppressionSettings, purpose: str) -> Callable[[str], LeftOut]:
    """Of a tenant, the people who are restricted or have withdrawn a purpose."""
    suppressed = Suppressed(Table(client("dynamodb"), settings.subject_keys_table))
    persons = person_columns(registry.load(), project.load())
    return lambda org: LeftOut(suppressed.people(org, purpose), persons)
