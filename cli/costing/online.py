"""The cost of online features: rows that an hourly run writes because a transaction entered or left a window."""

from millrace.features.views import FeatureView, FeatureViews

# Few transactions share a user's rows. A merchant's row is written once an hour, whatever their number.
ENTITY = "user"


def changes(views: FeatureViews) -> int:
    """Row writes over all windows for one transaction, the only one of its user in the hour.

    A row changes when the transaction enters a window and when it leaves it; changes at the same time are one write.
    Rows are smaller than one write unit.
    """
    return sum(_moments(views.view(name)) for name in views.names())


def rows_read(views: FeatureViews) -> int:
    """Rows that a model may read for one transaction: one of each view that has rows."""
    return sum(bool(views.view(name).groups) for name in views.names())


def _moments(view: FeatureView) -> int:
    if view.entity != ENTITY:
        return 0
    moments: set[int] = set()
    for group in view.groups:
        for feature in group.features:
            moments.add(group.delay_us + feature.offset_us)
            if feature.window_us is not None:
                moments.add(group.delay_us + feature.offset_us + feature.window_us)
    return len(moments)
