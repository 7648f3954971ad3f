"""What keeping features online costs: rows that an hourly run writes because a transaction came, or left a window."""

from millrace.features.views import FeatureView, FeatureViews

# Whose rows few transactions share. A merchant's row is written once an hour however many there were.
ENTITY = "user"


def changes(views: FeatureViews) -> int:
    """Row writes that one transaction of a user who is alone with it in the hour brings about, over all windows.

    A row changes when the transaction enters a window and when it leaves it; what enters or leaves at the same moment
    is one write. Rows are below one write unit's size.
    """
    return sum(_moments(views.view(name)) for name in views.names())


def rows_read(views: FeatureViews) -> int:
    """Rows that a model may read for one transaction: one of each view that has rows."""
    return sum(bool(views.view(name).groups) for name in views.names())


def _moments(view: FeatureView) -> int:
    if view.entity != ENTITY:
        return 0
    found: set[int] = set()
    for group in view.groups:
        for feature in group.features:
            found.add(group.delay_us + feature.offset_us)
            if feature.window_us is not None:
                found.add(group.delay_us + feature.offset_us + feature.window_us)
    return len(found)
