"""The fraud model: what it is told of a transaction, and what its rows are called. No numpy."""

from millrace.features.registry import Views

MODEL = "fraud"
VIEWS = ("transaction_features", "merchant_features", "merchant_risk")
# Columns of a training set beside the features: 1 or true is fraud, a whole number names a user.
LABEL, CARD, MOMENT = "is_fraud", "user_id", "event_timestamp"


def features(views: Views) -> tuple[str, ...]:
    """References to all of them. The label is none, nor is anything that is known only with it."""
    return tuple(f"{name}:{feature}" for name in VIEWS for feature in views.view(name).features)


def column(reference: str) -> str:
    """`view__feature`, as a training set names the feature `view:feature`."""
    return reference.replace(":", "__")
