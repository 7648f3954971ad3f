"""The sample events that `up` sends."""

from datetime import UTC, datetime
from typing import Any, ClassVar

import orjson
import pytest

from cli.api import Api, ApiResponse
from cli.local import demo
from cli.local.commands import hints
from cli.local.steps import StepError
from cli.places import Places
from cli.target import SAMPLE_ORG, Target, find_target
from tests.support.stores import MemoryDynamoDB


def test_the_samples_have_a_tenant_and_a_key_file_of_their_own(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`.local/keys.json` holds the keys of the two demo tenants and no other: its form is an interface."""
    dynamodb = MemoryDynamoDB()
    monkeypatch.setattr(Target, "client", lambda *_: dynamodb)
    target = Target("local", "http://127.0.0.1:1", {"MetadataTable": "Metadata"})
    keys = demo.ensure_keys(places, target)
    assert orjson.loads(places.keys.read_bytes()).keys() == {"org_acme", "org_globex"}
    assert orjson.loads(places.sample_keys.read_bytes()).keys() == {SAMPLE_ORG}
    assert SAMPLE_ORG not in ("org_acme", "org_globex")
    assert {path.stat().st_mode & 0o777 for path in (places.keys, places.sample_keys)} == {0o600}
    assert demo.ensure_keys(places, target) == keys
    places.outputs.write_bytes(orjson.dumps({"ApiUrl": "http://127.0.0.1:1"}))
    monkeypatch.chdir(places.root)
    assert find_target("local").keys == keys


def test_samples_are_sent_with_their_own_key_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MILLRACE_API_KEY", "mk_of_someone_else")
    sent: list[str] = []

    def call(api: Any, *_: Any, **__: Any) -> ApiResponse:
        sent.append(api._key)
        return ApiResponse(202, {"results": []})

    monkeypatch.setattr(Api, "call", call)
    demo.send_samples(Target("local", "http://127.0.0.1:1", {}, {SAMPLE_ORG: "mk_samples"}), [])
    assert sent == ["mk_samples"]


@pytest.mark.parametrize("with_samples", [True, False])
def test_the_next_commands_name_the_tenant_of_the_samples_where_there_are_some(with_samples: bool) -> None:
    sample = {"eventId": "e-1", "trace": {"steps": []}}
    lines = hints({"apiUrl": "http://x", "events": [sample] if with_samples else []})
    assert ("--org org_demo" in " ".join(lines)) is with_samples
    assert any("org_acme" in line for line in lines)


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
