"""The cost of online features: the rows that runs write for users who pay now and then, and those that a decision reads."""

from millrace.features.views import FeatureViews
from millrace.training.channel import VIEWS

# Recorded: users who pay once a week, independently of each other. Other rates: docs/cost.md.
PROFILE = "paid.weekly"
# A batched read of users' sets and online rows is consistent (millrace/fraud/store.py): a unit for each row of at most 4 KB.
UNITS_READ = 1.0
# A person whom a warm copy of `predict` meets for the first time, in a read that is not consistent (millrace/privacy/subjects.py).
UNITS_OF_PERSON = 0.5
# An entity's marker is written as a run begins and as it ends.
MARKER_WRITES = 2


def rows_read(views: FeatureViews) -> int:
    """Rows that the model reads for one transaction: one of each entity."""
    named = [f"{name}:{feature}" for name in VIEWS for feature in views.view(name).features]
    return len({views.view(one.view).entity for one in views.aggregates(views.references(named))})


def written_by_a_run(views: FeatureViews, merchants: float) -> float:
    """Writes of a run whatever the number of transactions: the row of each merchant that has some, and the markers."""
    return merchants + MARKER_WRITES * len(views.online())
