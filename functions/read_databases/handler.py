"""Edge: reads a source of kind postgres, each minute, by its schedule."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.read_databases.settings import Settings
from millrace.cdc import reading
from millrace.cdc.reader import BUSY
from millrace.cdc.states import States
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.aws import Lazy, client
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.core.errors import MillraceError
from millrace.core.metrics import UNWATCHED, emit
from millrace.core.table import Table
from millrace.feeders import binding, states
from millrace.intake.assemble import intake
from millrace.webhooks.secrets import SecretStore, prefix


@edge(reading.SERVICE, Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Takes what waits, and says how far behind it is. What fails is read on by the next run, a minute later."""
    sources = {one.name: one for one in binding.load(settings.environment)}
    known = {contract.event_type for contract in registry.load().contracts}
    metadata = Table(client("dynamodb"), settings.metadata_table)
    secrets = SecretStore(Lazy("secretsmanager"), prefix(settings.environment))
    pauses, places, taking = states.States(metadata), States(metadata), intake(settings, log.warning)

    def read(event: Event, context: Any) -> dict[str, Any]:
        name = event["source"]
        source = sources.get(name)
        if source is None:
            # A deploy takes its schedule away in a moment.
            return {"source": name, "status": "unknown"}
        said: dict[str, Any] = {"source": name, "org": source.org}
        try:
            if pauses.paused(source.org, name):
                return said | {"status": states.PAUSED}
            reader = reading.reader(
                source,
                settings.environment,
                lambda: secrets.good(name, clock.now()),
                places,
                taking,
                known.__contains__,
            )
            report = reader.run(context.aws_request_id, seconds_left(context))
        except MillraceError as error:
            # Nothing is lost, and no metric is written: silence is an alarm. A retry of the call would come too early.
            log.warning(str(error), extra=said)
            return said | {"status": "failed", "message": str(error)}
        if report.status != BUSY and settings.environment not in UNWATCHED:
            emit(reading.SERVICE, settings.environment, reading.metrics(report), {reading.SOURCE: name})
        said |= {"status": report.status, "reason": report.message, **report.outcomes}
        log.info("read", extra=said)
        return said

    return read
