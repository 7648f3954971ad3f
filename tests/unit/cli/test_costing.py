"""The cost model's rules, each against figures worked out by hand from the price pages."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli import output
from cli.commands import cost
from cli.costing import coverage, idle, log, monthly, online, prices, rounding, traces
from cli.costing.deployment import Deployment
from cli.costing.mix import Mix, read_mix, totals, weights
from cli.places import checkout
from millrace.compiler.feature_views import compile_views
from millrace.features.views import FeatureViews

LISTED = prices.load()


def test_an_item_is_counted_as_dynamodb_counts_it() -> None:
    item: dict[str, dict[str, Any]] = {
        "id": {"S": "ä" * 10},
        "n": {"N": "-123.45"},
        "b": {"B": b"x" * 30},
        "set": {"SS": ["ab", "c"]},
    }
    assert rounding.item_bytes(item) == (2 + 20) + (1 + 4) + (1 + 30) + (3 + 3)
    assert rounding.item_bytes({"b": {"B": "eHh4"}}) == 1 + 3


def test_an_index_has_an_entry_only_where_its_key_is() -> None:
    item = {"id": {"S": "1234"}, "at": {"S": "12"}, "user": {"S": "u"}}
    assert rounding.index_entries(item, [("user", "at", "id"), ("session", "at", "id")]) == [5 + 4 + 6]


@pytest.mark.parametrize(
    ("size", "entries", "units"), [(1024, (), 1), (1025, (), 2), (700, (200, 210), 3), (700, (1025,), 3)]
)
def test_writes_are_rounded_one_by_one(size: int, entries: tuple[int, ...], units: int) -> None:
    assert rounding.write_units(size, entries) == units


def test_other_units() -> None:
    assert (rounding.read_units(1), rounding.read_units(4097, consistent=True)) == (0.5, 2)
    assert (rounding.payload_units(25 * 1024), rounding.payload_units(25 * 1024 + 1)) == (1, 2)
    assert (rounding.on_demand_bytes(1), rounding.on_demand_bytes(1500)) == (1024, 2048)
    assert (rounding.event_units(65_536), rounding.event_units(65_537)) == (1, 2)


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("cron(5 * * * ? *)", 730),
        ("cron(35 2 * * ? *)", 730 / 24),
        ("rate(5 minutes)", 8760),
        ("cron(0/15 * * * ? *)", 2920),
    ],
)
def test_a_schedule_is_counted(expression: str, runs: float) -> None:
    assert idle.runs_a_month(expression) == pytest.approx(runs)
    with pytest.raises(ValueError, match="form"):
        idle.runs_a_month("at(2026-11-21T00:00:00)")


def _deployment(**resources: dict[str, Any]) -> Deployment:
    stream = {
        "Type": "AWS::Kinesis::Stream",
        "Properties": {
            "ShardCount": 2,
            "RetentionPeriodHours": 24,
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        },
    }
    return Deployment("test", (("Log", stream), *resources.items()))


def test_idle_counts_what_stands() -> None:
    bare = idle.usage(_deployment(), LISTED)
    assert bare["kinesis.shard"] == 1460
    key = {"Type": "AWS::KMS::Key", "Properties": {"EnableKeyRotation": True}}
    more = idle.usage(_deployment(Key=key, Board={"Type": "AWS::CloudWatch::Dashboard"}), LISTED)
    assert LISTED.of(more) - LISTED.of(bare) == pytest.approx(1 + 2 + 3)


def test_a_resource_of_unknown_cost_is_named() -> None:
    assert coverage.unknown(_deployment(Gate={"Type": "AWS::EC2::NatGateway"})) == {"AWS::EC2::NatGateway"}


def test_what_was_used_without_a_price_is_an_error() -> None:
    with pytest.raises(KeyError):
        LISTED.of({"fairy.dust": 1})


def test_between_two_recorded_batches_lies_a_straight_line(tmp_path: Path) -> None:
    def trace(events: int, writes: int) -> dict[str, object]:
        return {
            "profile": "p",
            "function": "f",
            "events": events,
            "usage": {"dynamodb.write": writes},
            "calls": {"PutItem": 33, "BatchWriteItem": 2},
            "cpuMs": 1.0,
            "logBytes": 0,
            "stored": {"T": {"rows": 1, "byteDays": 10 * events}},
            "objects": {},
        }

    file = tmp_path / "calls.json"
    file.write_text(json.dumps([trace(10, 20), trace(20, 30)]))
    found = traces.per_event("p", "f", 15, LISTED, file)
    assert found.usage["dynamodb.write"] == pytest.approx(25 / 15)
    assert found.stored == {"T.byteDays": pytest.approx(10)}
    assert found.waits * 15 == pytest.approx(2 + 2)
    assert traces.per_event("p", "f", 900, LISTED, file).invocations == 1 / 20
    with pytest.raises(KeyError):
        traces.per_event("p", "g", 15, LISTED, file)


def test_a_mix_is_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "mix.yaml"
    file.write_text("{request: 50, seeded: 0.5, lakeOnly: 0.5, refused: 0}")
    assert read_mix(file) == Mix(request=50, seeded=0.5, lake_only=0.5, refused=0)
    for text in ("{seeded: 0.5}", "{colour: red}", "{request: 0}"):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"."):
            read_mix(file)


def test_a_mix_of_lake_only_events_costs_what_they_cost() -> None:
    names = (
        "accept",
        "store",
        "store.seeded",
        "log",
        "archive",
        "project",
        "storage",
        "storage.seeded",
        "expire",
        "expire.seeded",
        "quarantine",
    )
    dollars = dict.fromkeys((*names, "count", "route", "fraud", "features", "storage.features", "etl"), 1.0)
    dollars |= {f"{name}.lake-only": 0.1 for name in ("accept", "log", "archive", "storage")}
    mix = Mix(seeded=0, lake_only=1, refused=0, transactions=0, routed=0)
    assert totals(dollars, mix)["total.mix"] == pytest.approx(0.4 + 1.0)


def test_each_price_is_on_the_bill_of_a_service() -> None:
    assert {name.split(".")[0] for name in LISTED.dollars} == set(monthly.SERVICES)


def test_a_month_is_the_idle_figure_and_the_events_of_the_mix() -> None:
    idle_usage = {"kinesis.shard": 2 * 730.0, "kms.key": 3.0}
    mix = Mix(seeded=0, default=1, refused=0, transactions=0, routed=0)
    paths: dict[str, dict[str, float]] = {name: {} for name in weights(Mix())} | {
        "store": {"dynamodb.write": 3e6},
        "log": {"kinesis.shard": 0.2, "kinesis.payload": 1e6},
        "etl": {"glue.request": 100.0},
    }
    found = monthly.bill(monthly.lines(idle_usage, paths, mix, LISTED, 1000), 1000)
    # 2,628 million events; the log needs 525.6 shard-hours, which the two idle shards have.
    by_service = {one["service"]: one for one in found["services"]}
    assert found["eventsPerMonth"] == 2_628_000_000
    assert by_service["DynamoDB"]["dollars"] == pytest.approx(2628 * 3 * 0.625)
    assert by_service["DynamoDB"]["measured"] == by_service["DynamoDB"]["dollars"]
    assert by_service["Kinesis Data Streams"]["dollars"] == pytest.approx(
        2 * 730 * 0.015 + 2628 * 0.014, abs=0.01
    )
    assert by_service["Kinesis Data Streams"]["idle"] == pytest.approx(21.9)
    assert by_service["Glue"]["assumed"] == pytest.approx(0.26, abs=0.01)
    assert (by_service["KMS"]["dollars"], by_service["KMS"]["listed"]) == (3, 3)
    parts = sum(found[name] for name in ("measured", "listed", "assumed"))
    assert found["dollars"] == pytest.approx(parts, abs=0.02)
    assert found["dollars"] == pytest.approx(sum(one["dollars"] for one in found["services"]), abs=0.05)
    # At ten times the rate 5,256 hours are needed, and a shard is open for a whole month: eight, six more than idle.
    more = monthly.bill(monthly.lines(idle_usage, paths, mix, LISTED, 10_000), 10_000)
    shards = {one["service"]: one for one in more["services"]}["Kinesis Data Streams"]
    assert shards["dollars"] == pytest.approx(8 * 730 * 0.015 + 26280 * 0.014, abs=0.01)


def test_the_bill_of_a_month_fits_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output.out, "width", 80)
    idle_usage = {"kms.key": 3.0, "s3.storage": 1e7, "kinesis.shard": 1460.0}
    paths: dict[str, dict[str, float]] = {name: {"dynamodb.write": 1e8} for name in weights(Mix())}
    found = monthly.bill(monthly.lines(idle_usage, paths, Mix(), LISTED, 9000), 9000)
    cost.show_month({"environment": "staging", **found}, LISTED.date, "default")
    printed = capsys.readouterr().out
    assert "9,000 events a second all month, 23,652,000,000 in all" in printed
    assert "Traffic is like that of millrace seed" in printed.replace("\n", " ")
    assert max(map(len, printed.splitlines())) <= 80


def test_a_decision_reads_a_row_of_each_entity_and_a_run_writes_its_markers_and_busy_merchants() -> None:
    views = FeatureViews.from_json({"views": compile_views(checkout().root / "schemas")})
    # Users and merchants; a product's row is read by no model.
    assert [one.name for one in views.online()] == ["merchant", "product", "user"]
    assert online.rows_read(views) == 2
    assert online.written_by_a_run(views, 1_000) == 1_006


def test_an_expiry_is_an_invocation_more_only_where_no_new_row_comes_with_it() -> None:
    assert log.alone(0.001) == pytest.approx(1, rel=0.01)
    assert log.alone(1) == pytest.approx(0.2325, rel=0.01)
    assert log.alone(20) < 1e-9


def test_shards_are_added_before_their_alarm_fires() -> None:
    one = Deployment("test", _deployment().resources)
    assumed = LISTED.assumptions
    # Two shards; 1,000 records or, for three readers of 2 MB, two thirds of a MB a second in each, three quarters full.
    assert log.shards(one, 500, 1500, assumed) == 2
    assert log.shards(one, 500, 1501, assumed) == 3
    assert log.shards(one, 1024, 1100, assumed) == 3


def test_the_record_of_an_expired_row_is_a_little_longer() -> None:
    record = {"log.size": 1000.0, "log.payload": 1.0, "log.bytes": 1024.0}
    assert log.expiry(record, LISTED.assumptions) == {
        "log.size": 1053,
        "log.payload": 1,
        "log.bytes": 2048,
    }
