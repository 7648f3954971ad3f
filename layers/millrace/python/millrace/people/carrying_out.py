"""Requests of people over their stores, as the machine has them carried out. Imports pyiceberg."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from millrace.alerts.rows import AlertRows
from millrace.contracts import registry
from millrace.core.aws import Lazy, client
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.iceberg import tables
from millrace.people.assemble import PeopleSettings, people_rows
from millrace.people.erasure import Erasure
from millrace.people.events import PersonEvents
from millrace.people.exporting import Exporting
from millrace.people.requests import OPEN, Requests
from millrace.people.signing import Signer
from millrace.people.silver import SilverRows
from millrace.people.verification import Stores
from millrace.privacy.assemble import subjects, tenant_keys
from millrace.privacy.reading import PersonalReads
from millrace.privacy.tenant_box import TenantBox
from millrace.quarantine.store import QuarantineStore

Step = Callable[[Mapping[str, Any], Callable[[], float]], dict[str, Any]]


class CarryingOutSettings(PeopleSettings, Protocol):
    """The stores of `functions/erase_subject/settings.py`."""

    environment: Any
    events_table: str
    user_events_table: str
    feature_store_table: str
    analytics_table: str
    signing_key_id: str
    lake_bucket: str


def carrying_out(settings: CarryingOutSettings) -> dict[str, Step]:
    """The steps by name: what the machine asks with, and the seconds that are left → the answer."""
    dynamodb, contracts = client("dynamodb"), registry.load()
    metadata, lake = Table(dynamodb, settings.metadata_table), Objects(client("s3"), settings.lake_bucket)
    people, codec, requests = people_rows(settings), Codec(contracts.dictionary), Requests(metadata)
    events = PersonEvents(Table(dynamodb, settings.events_table), Table(dynamodb, settings.user_events_table))
    silver = SilverRows(partial(tables.catalog, settings.environment, settings.lake_bucket))
    erasure = Erasure(
        environment=settings.environment,
        requests=requests,
        stores=Stores(people, events, metadata, lake, silver, contracts, codec),
        metadata=metadata,
        features=Table(dynamodb, settings.feature_store_table),
        quarantine=QuarantineStore(metadata, lake, TenantBox(tenant_keys(metadata, settings.tenant_key_id))),
        signer=Signer(Lazy("kms"), settings.signing_key_id),
    )
    known = subjects(Table(dynamodb, settings.subject_keys_table), metadata, settings.tenant_key_id)
    exporting = Exporting(
        requests=requests,
        people=people,
        subjects=known,
        events=events,
        reads=PersonalReads(contracts, known),
        alerts=AlertRows(Table(dynamodb, settings.analytics_table)),
        metadata=metadata,
        lake=lake,
        codec=codec,
    )

    def export(given: Mapping[str, Any], _: Callable[[], float]) -> dict[str, Any]:
        org, request = given["org"], erasure.request(given["org"], given["requestId"])
        if request.state != OPEN:
            return {}
        return exporting.export(org, request, erasure.user(org, request))

    return {
        "block": lambda given, _: erasure.block(given["org"], given["requestId"]),
        "forget": lambda given, _: erasure.forget(given["org"], given["requestId"]),
        "remove": lambda given, left: erasure.remove(given["org"], given["requestId"], given, left),
        "verify": lambda given, _: erasure.verify(given["org"], given["requestId"]),
        "certify": lambda given, _: erasure.certify(given["org"], given["requestId"]),
        "export": export,
    }
