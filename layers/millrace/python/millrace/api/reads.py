"""Wires the read calls: one function per route of the API's document."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from millrace import __version__
from millrace.aggregates.receipts import counted
from millrace.alerts.mutes import Mutes
from millrace.alerts.rows import AlertRows
from millrace.anonymised import definition as anonymised
from millrace.anonymised import described
from millrace.api.alerts import AlertsApi
from millrace.api.apicurio import ApicurioApi
from millrace.api.audit import AuditApi
from millrace.api.confluent import ConfluentApi
from millrace.api.datasets import DatasetsApi
from millrace.api.detokenise import Detokenise
from millrace.api.events import EventsApi
from millrace.api.features import FeaturesApi
from millrace.api.fraud import DecisionsApi, decision_id
from millrace.api.guard import Guard
from millrace.api.imports import ImportsApi
from millrace.api.personal import Personal
from millrace.api.persons import PersonsApi
from millrace.api.quarantine import QuarantineApi
from millrace.api.route import load_document
from millrace.api.router import Function, Router
from millrace.api.schemas import SchemasApi
from millrace.api.story import Story
from millrace.api.subjects import Subjects
from millrace.api.user_ids import UserIds
from millrace.catalog.datasets import Catalog
from millrace.catalog.store import CatalogStore
from millrace.contracts import registry as contracts
from millrace.core.aws import client
from millrace.core.http import JSON, Document
from millrace.core.objects import Objects
from millrace.core.settings import Environment
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.heads import Heads
from millrace.eventstore.lag import not_in_silver
from millrace.eventstore.reader import EventReader
from millrace.eventstore.trace import Tracer
from millrace.features import views as feature_views
from millrace.features.online import OnlineStore
from millrace.imports.jobs import Imports
from millrace.patterns import definition
from millrace.patterns import reading as patterns
from millrace.patterns.timers import Timers
from millrace.privacy import assemble as privacy
from millrace.privacy.reading import PersonalReads
from millrace.privacy.subjects import Subjects as People
from millrace.privacy.tenant_box import TenantBox
from millrace.quarantine.store import QuarantineStore
from millrace.warehouse import project


class ReadSettings(Protocol):
    """The stores that are read."""

    environment: Environment
    events_table: str
    type_shards: int
    user_events_table: str
    metadata_table: str
    subject_keys_table: str
    tenant_key_id: str
    feature_store_table: str
    analytics_table: str
    lake_bucket: str


def reads(settings: ReadSettings, log: Callable[[str], None], guard: Guard) -> Router:
    """The router of all reads over the stores of these settings."""
    registry, dynamodb = contracts.load(), client("dynamodb")
    stored, metadata = Table(dynamodb, settings.events_table), Table(dynamodb, settings.metadata_table)
    reader = EventReader(
        stored,
        Table(dynamodb, settings.user_events_table),
        Codec(registry.dictionary),
        type_shards=settings.type_shards,
    )
    tenant_keys = privacy.tenant_keys(metadata, settings.tenant_key_id)
    people = People(Table(dynamodb, settings.subject_keys_table), tenant_keys)
    analytics = Table(dynamodb, settings.analytics_table)
    lake = Objects(client("s3"), settings.lake_bucket)
    box = TenantBox(tenant_keys)
    refused, imports = (
        QuarantineStore(metadata, lake, box),
        ImportsApi(Imports(metadata), lake, box, metadata),
    )
    quarantine = QuarantineApi(refused, registry, metadata, people)
    schemas, registered = SchemasApi(registry), Subjects(registry)
    catalog = Catalog(
        CatalogStore(metadata),
        registry,
        project.load,
        partial(not_in_silver, metadata),
        lambda: described.datasets(anonymised.load().values()),
    )
    datasets = DatasetsApi(catalog)
    decisions = DecisionsApi(reader, Heads(stored))
    views = feature_views.load()
    online = OnlineStore(Table(dynamodb, settings.feature_store_table), views)
    alert_rows = AlertRows(analytics)
    user_ids = UserIds(people)
    alerts = AlertsApi(alert_rows, Mutes(metadata, remembered=0), user_ids)
    # An event of a contract that is newer than ours is read by ours.
    steps = patterns.Reader(definition.load(), registry.of_ref)
    personal = PersonalReads(registry, people)
    events = EventsApi(
        reader,
        Tracer(reader, metadata, registry.of_ref, decision_id, counted(analytics)),
        Story(reader, decision_id, steps, Timers(analytics), alert_rows, alerts.shown),
        registry.contracts,
        Personal(personal, metadata),
        user_ids,
    )
    health = {"status": "ok", "version": __version__, "environment": settings.environment}
    functions: dict[str, Function] = {
        "GET /v1/health": lambda _: health,
        "GET /v1/openapi.json": lambda _: Document(load_document(), JSON),
        "GET /v1/events": events.list,
        "GET /v1/events/{eventId}": events.get,
        "GET /v1/events/{eventId}/trace": events.trace,
        "POST /v1/detokenise": Detokenise(reader, personal, metadata, guard.rates).post,
        "GET /v1/imports": imports.list,
        "GET /v1/imports/{id}": imports.get,
        "GET /v1/imports/{id}/refused": imports.refused,
        "GET /v1/quarantine": quarantine.list,
        "GET /v1/quarantine/{id}": quarantine.get,
        "GET /v1/fraud/decisions": decisions.get,
        "GET /v1/fraud/decisions/{transactionId}": decisions.get,
        "GET /v1/datasets": datasets.list,
        "GET /v1/datasets/{name}": datasets.get,
        "GET /v1/datasets/{name}/lineage": datasets.lineage,
        "GET /v1/alerts": alerts.list,
        "GET /v1/audit": AuditApi(metadata, user_ids).list,
        "GET /v1/subjects/{id}": PersonsApi(user_ids, metadata).get,
        "GET /v1/features": FeaturesApi(online, views, user_ids).get,
        "GET /v1/schemas": schemas.list,
        "GET /v1/schemas/{type}/{version}": schemas.get,
        **ConfluentApi(registered).functions(),
        **ApicurioApi(registered).functions(),
    }
    return Router(functions, log, guard=guard)
