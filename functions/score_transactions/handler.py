"""Edge: decides on the transactions of the log."""

from aws_lambda_powertools import Logger

from functions.score_transactions.settings import Settings
from millrace.core.edge import Handler, edge
from millrace.eventstore.batches import batches
from millrace.fraud import assemble


@edge("score_transactions", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Decides on a batch; raises if a store fails, and the batch is delivered again."""
    scorer = assemble.scorer(settings, log.warning)
    return batches({"score_transactions": scorer.score}, settings.lake_bucket, log)
