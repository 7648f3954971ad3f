"""What feature views say, by brute force: every row looks at every row of its source."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from millrace.features.views import Feature, FeatureGroup, FeatureView

Row = Mapping[str, Any]


def value(view: FeatureView, name: str, sources: Mapping[str, Sequence[Row]], key: object, at_us: int) -> Any:
    """One feature of one entity at a moment; filters are not known here."""
    group, feature = next(
        (group, feature) for group in view.groups for feature in group.features if feature.name == name
    )
    end = at_us - group.delay_us - feature.offset_us
    rows = [
        row
        for row in sources[group.table]
        if row[group.key] == key
        and row[group.key] is not None
        and row[group.timestamp] < end
        and (feature.window_us is None or row[group.timestamp] >= end - feature.window_us)
    ]
    found = _aggregate(feature, group, rows, at_us)
    return feature.default if found is None else found


def _aggregate(feature: Feature, group: FeatureGroup, rows: Sequence[Row], at_us: int) -> Any:
    if feature.aggregate == "count":
        return len(rows)
    if feature.aggregate == "since":
        return (at_us - max(row[group.timestamp] for row in rows)) / 1e6 if rows else None
    column = str(feature.column)
    if feature.aggregate == "latest":
        # The newest row, its value null or not.
        newest = max(rows, key=lambda row: row[group.timestamp], default=None)
        value = None if newest is None else newest[column]
        return value if value is None or isinstance(value, str) or math.isfinite(value) else None
    values = [row[column] for row in rows if row[column] is not None and math.isfinite(row[column])]
    if not values:
        return None
    match feature.aggregate:
        case "sum":
            return math.fsum(values)
        case "mean" | "share":
            return math.fsum(values) / len(values)
        case "min":
            return min(values)
        case "max":
            return max(values)
    return statistics.stdev(values) if len(values) > 1 else None
