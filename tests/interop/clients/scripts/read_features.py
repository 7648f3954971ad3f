"""A script of a user of Feast: the past for two frames, the present for rows and columns, and what there is."""

import json
import os
from datetime import UTC, datetime

import pandas as pd
from feast import FeatureStore

store = FeatureStore(repo_path=os.environ["REPO"])
now = datetime.now(UTC)

entities = pd.DataFrame(
    {
        "user_id": [1, 2, 1, 3, 2],
        "event_timestamp": pd.to_datetime(
            [
                "2026-03-01T10:30Z",
                "2026-03-01T12:00Z",
                "2026-03-02T00:00Z",
                "2026-03-02T00:00Z",
                "2026-02-01T00:00Z",
            ],
            utc=True,
        ),
    }
)


def rows(frame):
    """A frame's rows in an order of its own: no store promises one."""
    frame = frame.assign(
        event_timestamp=pd.to_datetime(frame["event_timestamp"], utc=True).dt.strftime("%FT%TZ")
    )
    frame = frame.sort_values(["user_id", "event_timestamp"]).reset_index(drop=True)
    return json.loads(frame.astype(object).where(frame.notna(), None).to_json(orient="split"))


past = store.get_historical_features(
    entity_df=entities, features=["orders:amount", "orders:items", "orders:currency"]
)
service = store.get_feature_service("fraud")
whole = store.get_historical_features(entity_df=entities, features=service, full_feature_names=True)

store.materialize(datetime(2026, 1, 1, tzinfo=UTC), now)
store.materialize_incremental(now)

by_row = store.get_online_features(
    features=["orders:amount", "orders:currency"], entity_rows=[{"user_id": 1}, {"user_id": 3}]
)
by_column = store.get_online_features(
    features=service, entity_rows={"user_id": [2, 1]}, full_feature_names=True
)

answers = {
    "past": rows(past.to_df()),
    "columns": past.to_arrow().column_names,
    "service": rows(whole.to_df()),
    "by row": by_row.to_dict(),
    "by column": by_column.to_dict(),
    "frame": by_column.to_df().sort_index(axis=1).to_dict("list"),
    "views": [view.name for view in store.list_feature_views()],
    "features": sorted(field.name for field in store.get_feature_view("orders").features),
    "services": [one.name for one in store.list_feature_services()],
    "project": store.project,
}
print(json.dumps(answers, sort_keys=True))
