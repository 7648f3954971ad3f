"""The budgets: what an environment costs while idle, and a million events on their way (P7 of the goals)."""

import json

import pytest

from cli.commands.cost import AwsEnvironment, cost
from cli.costing import confidence, coverage, idle, prices
from cli.costing.deployment import Deployment
from cli.costing.mix import Mix, totals
from cli.costing.paths import Paths
from millrace.eventstore.consumers import Source, reading
from stacks.environment import ENVIRONMENTS
from tests.support.templates import NETWORKED, Templates, templates

LISTED = prices.load()
# The seed taken literally, storage to expiry and recovery included, and what of it an event may cost here.
SEED, SHARE = 15.5, 0.25
# The default event has protected fields, whose sealed values are stored until its row expires (docs/cost.md).
SEALED = 0.15
ON_DEMAND = {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "RetentionPeriodHours": 168}
CONTACT = ("Contact", {"Type": "AWS::SNS::Subscription", "Properties": {"Protocol": "email"}})
LAKE_ONLY = 0.20
FEATURES = 1.0
COUNTING = 1.0
# A key that signs, and its alarms, are 1.50 in staging and prod (docs/adr/0056-a-person-is-forgotten.md).
# Of prod, 73 are its two shards with seven days and a line of their own for fraud (docs/adr/0019-cost.md).
IDLE = {"dev": 25, "staging": 70, "prod": 120}
# The goals are those of a river; from LEAST events a second on dev and staging keep them, too.
RATE, LEAST = 1000, 100
GOALS = [("dev", LEAST), ("staging", LEAST), *((name, RATE) for name in sorted(IDLE))]


def deployment(found: Templates) -> Deployment:
    resources = (item for stack in found.stacks.values() for item in stack["Resources"].items())
    return Deployment(found.environment, tuple(resources))


def dollars(environment: str, rate: float = RATE) -> dict[str, float]:
    used = Paths(deployment(templates(environment)), LISTED, rate=rate, request=100).all()
    found = {name: LISTED.of(usage) for name, usage in used.items()}
    return found | totals(found, Mix())


@pytest.mark.parametrize("environment", sorted(IDLE))
def test_an_idle_environment_keeps_its_budget(environment: str) -> None:
    used = idle.usage(deployment(templates(environment)), LISTED)
    assert LISTED.of(used) <= IDLE[environment], LISTED.lines(used)


def test_every_resource_is_priced_or_known_to_be_free(every: Templates) -> None:
    found = deployment(every)
    assert coverage.unknown(found) == set()
    assert coverage.unplaced(found) == set()


def test_what_is_priced_or_free_is_so_for_a_reason() -> None:
    assert not coverage.PRICED.keys() & coverage.FREE.keys()
    assert all(reason.endswith(".") for reason in coverage.FREE.values())
    assert coverage.PLACES.keys() == coverage.UNUSED.keys() <= coverage.PRICED.keys()
    for kind, places in coverage.PLACES.items():
        assert not places.keys() & coverage.UNUSED[kind].keys()
        assert all(reason.endswith(".") for reason in coverage.UNUSED[kind].values())


def test_nothing_is_named_that_no_template_has() -> None:
    """In some environment there is each type, and each function, table and queue, that is said to be priced or free."""
    found = [deployment(templates(environment)) for environment in (*ENVIRONMENTS, NETWORKED)]
    later = {"AWS::CDK::Metadata", "AWS::IAM::ManagedPolicy", "AWS::SNS::Subscription"}
    # Of readers of the lake, which no environment has before somebody names them.
    later |= {kind for kind in coverage.FREE if kind.startswith("AWS::LakeFormation::")}
    kinds = set().union(*(one.kinds for one in found))
    assert (coverage.PRICED.keys() | coverage.FREE.keys()) - kinds <= later
    for kind, places in coverage.PLACES.items():
        names = {name for one in found for name, _ in one.of(kind)}
        for start in (*places, *coverage.UNUSED[kind]):
            assert any(name.startswith(start) for name in names), f"{kind} {start}"


def test_every_price_is_used_and_every_path_says_how_far_it_can_be_relied_on() -> None:
    contacts = Deployment("prod", (*deployment(templates("prod")).resources, CONTACT))
    found = [*(deployment(templates(name)) for name in (*IDLE, NETWORKED)), contacts, on_demand()]
    idling = [idle.usage(one, LISTED) for one in found]
    paths = [Paths(one, LISTED, rate=RATE, request=100).all() for one in found]
    used = {item for usage in (*idling, *(one for each in paths for one in each.values())) for item in usage}
    assert used == LISTED.dollars.keys()
    assert {name for names in coverage.PRICED.values() for name in names} == used
    dear = totals(dict.fromkeys(paths[0], 1.0), Mix())
    assert confidence.PATHS.keys() == paths[0].keys() | dear.keys()
    placed = {path for places in coverage.PLACES.values() for path in places.values()}
    assert placed - {coverage.IDLE} <= paths[0].keys()


@pytest.mark.parametrize(("environment", "rate"), GOALS)
def test_an_event_for_the_lake_only_keeps_its_goal(environment: str, rate: float) -> None:
    assert dollars(environment, rate)["total.lake-only"] <= LAKE_ONLY


@pytest.mark.parametrize(("environment", "rate"), GOALS)
def test_an_event_with_the_default_indexes_keeps_its_goal(environment: str, rate: float) -> None:
    assert dollars(environment, rate)["total.default-indexes"] <= SEED * SHARE + SEALED


@pytest.mark.parametrize("rate", [LEAST, RATE])
@pytest.mark.parametrize("environment", sorted(IDLE))
def test_online_features_of_a_transaction_keep_their_goal(environment: str, rate: float) -> None:
    """Of users who pay now and then, each the only one of its user in the hour, and read by a model."""
    assert dollars(environment, rate)["features"] <= FEATURES


@pytest.mark.parametrize("rate", [LEAST, RATE])
@pytest.mark.parametrize("environment", sorted(IDLE))
def test_counting_keeps_its_goal(environment: str, rate: float) -> None:
    assert dollars(environment, rate)["count"] <= COUNTING


@pytest.mark.parametrize("environment", sorted(IDLE))
def test_a_row_s_expiry_is_priced(environment: str) -> None:
    """DynamoDB captures the deletion, a record goes through the log, and two consumers parse it: none is free."""
    used = Paths(deployment(templates(environment)), LISTED, rate=RATE, request=100).all()
    for name in ("expire", "expire.seeded"):
        assert used[name]["dynamodb.change"] == used[name]["kinesis.payload"] == 1e6
        assert used[name]["dynamodb.write"] == 0
        assert used[name]["lambda.second"] > 0
    assert used["expire"]["kinesis.shard"] > used["log"]["kinesis.shard"], (
        "DynamoDB names itself in the record"
    )
    # An event that is scored has two rows, its own and the decision's; one that goes to the lake only has none.
    assert used["fraud"]["dynamodb.change"] == 2e6
    found = dollars(environment)
    others = ("accept", "store", "log", "archive", "project", "storage", "expire")
    assert found["total.default-indexes"] == pytest.approx(sum(found[name] for name in others))


def test_who_parses_expired_rows() -> None:
    """The archive and the router: a filter would hide from them what is not JSON (docs/cost.md)."""
    prod = deployment(templates("prod"))
    assert prod.unfiltered(reading(Source.LOG)) == ["archive_events", "route_events"]
    assert prod.unfiltered(reading(Source.TABLE_STREAM)) == []


def on_demand() -> Deployment:
    """Prod with a log on demand."""
    stream = ("Stream", {"Type": "AWS::Kinesis::Stream", "Properties": ON_DEMAND})
    found = deployment(templates("prod")).resources
    return Deployment("prod", (stream, *(one for one in found if one[1]["Type"] != "AWS::Kinesis::Stream")))


def test_a_log_on_demand_is_dearer_from_a_steady_stream_on() -> None:
    """The figure of docs/cost.md: shards pay from 21 events a second on."""
    prod = deployment(templates("prod"))
    saved = LISTED.of(idle.usage(prod, LISTED)) - LISTED.of(idle.usage(on_demand(), LISTED))
    paths = [Paths(one, LISTED, rate=21, request=100).all() for one in (on_demand(), prod)]
    logs = [LISTED.of(each["log"]) + LISTED.of(each["expire"]) for each in paths]
    assert saved / (logs[0] - logs[1]) * 1e6 / (prices.HOURS_A_MONTH * 3600) == pytest.approx(21, rel=0.1)


def test_a_network_costs_its_endpoints_by_the_zone_and_hour() -> None:
    """The figure of docs/cost.md: nine interfaces in two zones, at a cent an hour each."""
    plain, networked = (
        LISTED.of(idle.usage(deployment(templates(name)), LISTED)) for name in ("prod", NETWORKED)
    )
    assert networked - plain == pytest.approx(9 * 2 * 7.30)
    assert coverage.unknown(deployment(templates(NETWORKED))) == set()


def test_a_trickle_is_dearer_than_a_river() -> None:
    """Small batches: an object of the lake for each few events."""
    assert dollars("dev", rate=0.1)["archive"] > 5 > dollars("dev", rate=500)["archive"]


def test_recovery_is_paid_only_where_there_is_some() -> None:
    dev, prod = (
        Paths(deployment(templates(name)), LISTED, rate=RATE, request=100).all() for name in ("dev", "prod")
    )
    assert "dynamodb.recovery" not in dev["storage"]
    assert prod["storage"]["dynamodb.recovery"] > 0
    for table in ("Events", "UserEvents"):
        assert not deployment(templates("prod")).recovered(table), "it is made again from the lake"
    assert deployment(templates("prod")).recovered("Metadata")


def test_the_command_has_a_column_for_each_rate_and_says_how_far_it_can_be_relied_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.costing.deployment.load", lambda name, _: deployment(templates(name)))
    cost(rate=100, mix="default", env=AwsEnvironment.PROD, lines=True, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {
        "idle",
        "perMillion",
        "perMillionByRate",
        "confidence",
        "priceDate",
        "lines",
    }
    assert set(document["perMillionByRate"]) == {"100", "1000", "10000"}
    assert document["perMillionByRate"]["100"] == document["perMillion"]
    idle_items = {f"idle.{item}" for name in IDLE for item in document["lines"][f"idle.{name}"]}
    assert idle_items | document["perMillion"].keys() <= document["confidence"].keys()
    assert set(document["confidence"].values()) == {"measured", "listed", "assumed"}
