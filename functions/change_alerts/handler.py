"""Edge: acknowledges and mutes alerts."""

from aws_lambda_powertools import Logger

from functions.change_alerts.settings import Settings
from millrace.alerts.assemble import emitter
from millrace.alerts.mutes import Mutes
from millrace.alerts.rows import AlertRows
from millrace.api.alerts import AlertChangesApi
from millrace.api.guard import guard
from millrace.api.router import Router, routed
from millrace.api.user_ids import UserIds
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.edge import Handler, edge
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.privacy import assemble as privacy


@edge("change_alerts", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers one call."""
    dynamodb = client("dynamodb")
    metadata = Table(dynamodb, settings.metadata_table)
    rows = AlertRows(Table(dynamodb, settings.analytics_table))
    mutes = Mutes(metadata, remembered=0)
    events, codec = Table(dynamodb, settings.events_table), Codec(registry.load().dictionary)
    people = privacy.subjects(Table(dynamodb, settings.subject_keys_table), metadata, settings.tenant_key_id)
    changes = AlertChangesApi(
        rows, mutes, emitter(settings, log.warning), events, metadata, codec, UserIds(people)
    )
    answers = {
        "POST /v1/alerts/{id}/acknowledge": changes.acknowledge,
        "POST /v1/alerts/{id}/mute": changes.mute,
    }
    return routed(Router(answers, log.warning, guard=guard(settings, log.warning)), log)
