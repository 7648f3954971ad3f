"""Edge: folds the minutes that are over into tiles, on a schedule."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger

from functions.fold_tiles.settings import Settings
from millrace.aggregates import registry
from millrace.aggregates.folding import Folding, metrics
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.core.metrics import UNWATCHED, emit
from millrace.core.table import Table

NAME = "fold_tiles"
# Kept for the minute that is under way.
SPARE_SECONDS = 20


@edge(NAME, Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Folds; answers with what it did. What is left or failed raises an alarm by its metric, not an error."""

    def fold(_: Event, context: Any) -> dict[str, Any]:
        folding = Folding(
            Table(client("dynamodb"), settings.analytics_table),
            registry.load(),
            lambda sentence, about: log.warning(sentence, extra=dict(about)),
        )
        left = seconds_left(context)
        folded = folding.run(left() + 1, lambda: left() - SPARE_SECONDS)
        if settings.environment not in UNWATCHED:
            emit(NAME, settings.environment, metrics(folded))
        log.info("folded", extra=asdict(folded))
        return asdict(folded)

    return fold
