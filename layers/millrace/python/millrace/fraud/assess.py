"""From a user's sets to the decision on one transaction: the same code for the log, for /v1/predict and in tests. Pure."""

from datetime import datetime

from millrace.fraud import profile, velocity
from millrace.fraud.decision import Decision, Inputs, decide
from millrace.fraud.rules import RuleSet
from millrace.fraud.user import Transaction, UserSets
from millrace.scoring.answer import Said


def assess(
    transaction: Transaction,
    before: UserSets | None,
    after: UserSets | None,
    rules: RuleSet,
    *,
    event_id: str | None,
    happened_at: datetime | None = None,
    model: Said = None,
) -> Decision:
    """The decision on a transaction.

    Args:
        transaction: what is judged.
        before: the user's sets before it; they say what was seen. None if they could not be had in time.
        after: the user's sets with it; they are counted. None likewise.
        rules: in force for the tenant.
        event_id: of its event; None for a question that is no event.
        happened_at: the event's own moment.
        model: what the champion says of it.
    """
    payload = transaction.payload
    if before is None or after is None:
        return decide(Inputs(payload, event_id, None, {}, happened_at, model), rules)
    at, own = transaction.moment_ms, transaction.hashed
    counted = velocity.counted(after.minutes, at, own, rules.window_ms)
    known = profile.features(after.days, before.seen, transaction.seen, at, own)
    return decide(Inputs(payload, event_id, counted, known, happened_at, model), rules)
