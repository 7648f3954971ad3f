"""The sample events that `up` sends."""

from datetime import UTC, datetime
from typing import Any, ClassVar

import orjson
import pytest

from cli.local import demo
from cli.local.steps import StepError
from cli.places import Places


class TestSamples:
    GOLDEN: ClassVar[dict[str, Any]] = {
        "eventId": "old",
        "timestamp": "old",
        "data": {"payload": {"timestamp": "old", "user_id": 1}},
    }

    def test_a_sample_is_new_and_happens_now_each_time(self) -> None:
        moment = datetime(2026, 11, 21, 5, 54, 16, 123000, tzinfo=UTC)
        first, second = demo.renewed(self.GOLDEN, moment), demo.renewed(self.GOLDEN, moment)
        assert first["eventId"] != second["eventId"]
        assert first["timestamp"] == "2026-11-21T05:54:16.123Z"
        assert first["data"]["payload"]["timestamp"] == "2026-11-21T05:54:16.123+00:00"
        assert self.GOLDEN["data"]["payload"]["timestamp"] == "old"

    def test_one_is_broken_and_one_comes_twice(self, places: Places) -> None:
        for name in ("order.created", "system.health.check"):
            folder = places.root / "schemas" / "events" / "x" / name / "samples"
            folder.mkdir(parents=True)
            (folder / "v1.golden.json").write_bytes(orjson.dumps([{"eventType": name, **self.GOLDEN}]))
        found = demo.samples(places, datetime(2026, 11, 21, tzinfo=UTC))
        ids = [event["eventId"] for _, event in found]
        assert len(ids) == 4
        assert len(set(ids)) == 3
        assert ids[0] == ids[3]
        assert "payload" not in found[2][1]["data"]

    def test_a_checkout_without_samples_says_so(self, places: Places) -> None:
        with pytest.raises(StepError, match="no samples"):
            demo.samples(places, datetime(2026, 11, 21, tzinfo=UTC))
