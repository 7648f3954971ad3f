"""A stored decision derived again from its own record and its transaction."""

from collections.abc import Callable, Mapping
from typing import Any

from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.fraud.decision import Inputs, canonical, decide, unpack
from millrace.fraud.rules import RuleSet
from millrace.scoring.answer import DECIMALS, WITHOUT_MODEL, Answer, ModelResult
from millrace.scoring.answer import unpack as unpack_row

# The profile's features in a record: inputs of the decision, taken as they were recorded.
PROFILE = (
    "transactions_1d",
    "transactions_7d",
    "transactions_30d",
    "mean_amount_30d",
    "new_device",
    "new_merchant",
    "new_country",
)
# The fields that are measured or added when a decision is stored, and so are no part of its derivation.
MEASURED = frozenset({"userId", "amount", "decidedAt", "latencyMs", "stages"})

# (`fraud/00000003`, the recorded row of its inputs) → the served score.
Rescore = Callable[[str, bytes], float | None]
# Another kind of processor sums in another order, and may round the last of the six decimals differently.
_LAST_DECIMAL = 1.5 * 10**-DECIMALS


def derive(
    transaction: Mapping[str, Any], stored: Mapping[str, Any], rules: RuleSet, rescore: Rescore | None = None
) -> dict[str, Any]:
    """The record that these rules make of a transaction, with the counts and the profile of its stored decision.

    Args:
        transaction: the stored envelope of the transaction.
        stored: the payload of its decision.
        rules: of the version to judge by.
        rescore: gives the registered model's score of the recorded inputs; needed if the decision has one.

    Raises:
        PermanentError: the decision has a model's score, and `rescore` is missing.
    """
    features = stored["features"]
    inputs = Inputs(
        payload=transaction["data"]["payload"],
        event_id=transaction["eventId"],
        counted=unpack(stored["counted"]),
        profile={name: features[name] for name in PROFILE if name in features},
        happened_at=clock.parse(transaction["timestamp"]),
        model=_model_result(stored, rescore),
    )
    return decide(inputs, rules).record()


def _model_result(stored: Mapping[str, Any], rescore: Rescore | None) -> ModelResult:
    """The model's result for the recorded inputs; that it gave none is itself an input, and taken as recorded."""
    version, inputs = stored.get("modelVersion"), stored.get("modelInputs")
    if version is None and inputs is None:
        without = WITHOUT_MODEL in (stored.get("fallback") or "").split("+")
        return WITHOUT_MODEL if without else None
    if rescore is None:
        raise PermanentError(
            f"the decision was made with the model {version}, which is not available to score it again"
        )
    if version is None or inputs is None:
        # The platform writes both or neither: such a record derives to one without a model, and so differs.
        return None
    try:
        score = rescore(version, unpack_row(inputs))
    except ValueError:
        return None
    if score is None:
        return None
    recorded = stored["modelScore"]
    if isinstance(recorded, float | int) and abs(score - recorded) <= _LAST_DECIMAL:
        score = recorded
    return Answer(version, score, inputs)


def same(derived: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Whether a stored decision is, byte for byte, the derived one."""
    decided = {name: value for name, value in stored.items() if name not in MEASURED}
    return canonical(derived) == canonical(decided)


def differences(derived: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    """The fields in which they differ."""
    names = sorted({*derived, *stored} - MEASURED)
    return [name for name in names if derived.get(name) != stored.get(name)]
