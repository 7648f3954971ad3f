"""Requests of people over their stores, as a function takes them."""

from functools import partial
from typing import Protocol

from millrace.core.aws import Lazy, client
from millrace.core.table import Table
from millrace.people.asking import Asking
from millrace.people.machine import start
from millrace.people.requests import Requests
from millrace.people.rows import PeopleRows
from millrace.privacy.assemble import tenant_keys


class AskingSettings(Protocol):
    """Where requests are taken: `get`, `query`, `put`, `update` on Metadata; `get`, `update` on SubjectKeys."""

    metadata_table: str
    subject_keys_table: str
    tenant_key_id: str
    erase_subject_machine: str


def asking(settings: AskingSettings) -> Asking:
    """Takes requests."""
    metadata = Table(client("dynamodb"), settings.metadata_table)
    return Asking(
        people_rows(settings),
        Requests(metadata),
        partial(start, Lazy("stepfunctions"), settings.erase_subject_machine),
    )


class PeopleSettings(Protocol):
    """Where people are."""

    metadata_table: str
    subject_keys_table: str
    tenant_key_id: str


def people_rows(settings: PeopleSettings) -> PeopleRows:
    """The items of people."""
    dynamodb = client("dynamodb")
    metadata = Table(dynamodb, settings.metadata_table)
    return PeopleRows(
        Table(dynamodb, settings.subject_keys_table), tenant_keys(metadata, settings.tenant_key_id)
    )
