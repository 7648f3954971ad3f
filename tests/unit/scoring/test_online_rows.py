"""The fast reading of online rows says what the feature store's own reading says, of any row and marker."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core import clock
from millrace.features import rows
from millrace.features import views as feature_views
from millrace.features.views import FeatureView, FeatureViews
from millrace.model_registry.artifact import ModelCard
from millrace.scoring.model_input import Columns, known_until
from tests.support import champions, online_rows

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "mean_amount_90d": st.none() | st.floats(0, 1e6),
        "seconds_since_last": st.none() | st.floats(0, 1e7),
        "max_amount_1d": st.integers(0, 9),
    },
)
MOMENTS = st.integers(0, 72).map(lambda hours: NOW - timedelta(hours=hours))


@pytest.fixture(scope="module")
def views(bundle: Path) -> FeatureViews:
    return feature_views.load(bundle)


@st.composite
def stored(draw: st.DrawFn, view: FeatureView) -> dict[str, Any] | None:
    if draw(st.booleans()) and draw(st.booleans()):
        return None
    written = clock.utc_text(draw(MOMENTS))
    values = draw(st.none() | VALUES)
    later = draw(
        st.dictionaries(st.integers(1, 72).map(lambda hours: hours * 3_600_000_000), VALUES, max_size=4)
    )
    of = replace(view, version=draw(st.sampled_from(["1.0.0", "1.0.0", "0.9.0"])))
    parts = {} if values is None else {view.name: online_rows.text(of, values, written, later)}
    return rows.item("org_acme", view.entity, "9", parts, written, 0)


@given(data=st.data(), complete=MOMENTS, whole=MOMENTS)
def test_a_row_is_read_as_the_feature_store_reads_it(
    views: FeatureViews, data: st.DataObject, complete: datetime, whole: datetime
) -> None:
    view = views.view("user_spending")
    item = data.draw(stored(view))
    marker = champions.mark(view, complete, min(whole, complete))
    row = rows.parse_row(item, view, marker, NOW)
    usable = known_until(view, marker) >= NOW.timestamp()
    found = rows.RowReader(view, marker).values(item)
    if usable:
        assert (found is None) == (row.status == "expired")
    if found is not None:
        assert dict(found) == dict(row.values)


def test_a_view_that_is_not_complete_is_of_no_use(views: FeatureViews) -> None:
    view, now = views.view("user_spending"), NOW.timestamp()
    assert known_until(view, champions.mark(view, NOW)) > now
    assert known_until(view, champions.mark(view, NOW - timedelta(days=2))) < now
    assert known_until(view, champions.mark(view, NOW, views="{}")) < now
    begun = champions.marker("org_acme", [view])
    del begun["asOf"]
    assert known_until(view, rows.parse_marker(begun)) < now
    assert known_until(view, None) < now


@given(
    user=st.one_of(st.integers(), st.floats(-1e6, 1e6).map(float), st.none()),
    merchant=st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=600)),
)
def test_the_keys_are_those_under_which_rows_are_written(
    views: FeatureViews, user: Any, merchant: str | None
) -> None:
    card: ModelCard = champions.card(views, org="org_acme")
    columns = Columns(card, views)
    entity = {"user_id": user, "merchant": merchant}
    written = rows.row_keys("org_acme", [source.view for source in columns.sources], entity)
    assert columns.keys(entity) == [key and key["featureKey"]["S"] for key in written]
