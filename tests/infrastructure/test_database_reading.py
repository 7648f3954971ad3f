"""A source of kind postgres in an environment: its schedule, its alarms, and where its function lies."""

from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

from millrace.cdc import reading
from millrace.cdc.database import Slot
from millrace.cdc.reader import Report
from millrace.feeders import binding
from millrace.feeders.binding import Binding, Postgres
from stacks.application import new_app
from stacks.constructs.database_reading import DatabaseReading
from stacks.environment import ENVIRONMENTS
from stacks.errors import SettingsError
from stacks.network import NetworkStack
from stacks.platform_stack import PlatformStack
from stacks.settings import EnvironmentSettings
from stacks.settings_parts import DatabaseNetwork, NetworkSettings
from stacks.storage import StorageStack
from tests.support.templates import unbuilt_layers

SHOP = Binding(
    name="shop-orders",
    org="org_acme",
    kind="postgres",
    environments=("dev", "prod"),
    postgres=Postgres("shop.example.org", 5432, "shop", "millrace", "millrace"),
)
PLACE = DatabaseNetwork(
    vpc="vpc-0123456789abcdef0",
    subnets=("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
    security_groups=("sg-0123456789abcdef0",),
)


class Alone(PlatformStack):
    """The function by itself, as the ingestion stack has it."""

    third_party = ("runtime", "privacy", "postgres")


def synthesized(
    settings: EnvironmentSettings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[dict[str, Any]]]:
    """Resources by type, with cdk-nag's checks on."""
    monkeypatch.setattr(binding, "load", lambda *_: (SHOP,))
    app = new_app(str(folder))
    storage = StorageStack(app, "storage", settings=settings)
    network = None
    if settings.network is not None:
        network = NetworkStack(app, "network", settings=settings, network=settings.network)
    stack = Alone(app, "alone", storage=storage, layers=unbuilt_layers(), network=network)
    DatabaseReading(stack, "Databases", fleet=stack.fleet, after=stack.fleet)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
    template = app.synth().get_stack_by_name("alone").template
    found: dict[str, list[dict[str, Any]]] = {}
    for one in template["Resources"].values():
        found.setdefault(one["Type"], []).append(one["Properties"])
    return found


def test_a_source_is_read_each_minute_and_its_alarms_have_a_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = synthesized(ENVIRONMENTS["prod"], tmp_path, monkeypatch)
    (schedule,) = found["AWS::Scheduler::Schedule"]
    assert (schedule["ScheduleExpression"], schedule["Target"]["Input"]) == (
        "rate(1 minute)",
        '{"source": "shop-orders"}',
    )
    alarms = {one["MetricName"]: one for one in found["AWS::CloudWatch::Alarm"] if "MetricName" in one}
    mine = {name: one for name, one in alarms.items() if one["Namespace"] == "Millrace"}
    assert mine.keys() == reading.metrics(Report("streaming", slot=Slot(1, "reserved", 1, 1))).keys()
    dimensions = {"environment": "prod", "service": "read_databases", "source": "shop-orders"}
    for one in mine.values():
        assert {each["Name"]: each["Value"] for each in one["Dimensions"]} == dimensions
        assert one["AlarmActions"]
        assert "runbook.md#databases" in one["AlarmDescription"]
    assert mine[reading.HALTED]["TreatMissingData"] == "breaching"
    assert "VpcConfig" not in found["AWS::Lambda::Function"][0]


def test_a_database_in_a_network_of_its_own_is_reached_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ENVIRONMENTS["dev"].model_copy(update={"database_network": PLACE})
    found = synthesized(settings, tmp_path, monkeypatch)
    (placed,) = (one["VpcConfig"] for one in found["AWS::Lambda::Function"])
    assert placed == {"SubnetIds": list(PLACE.subnets), "SecurityGroupIds": list(PLACE.security_groups)}
    assert not [one for one in found.get("AWS::CloudWatch::Alarm", ()) if one["Namespace"] == "Millrace"]


def test_a_database_that_no_function_could_reach_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ENVIRONMENTS["dev"].model_copy(update={"network": NetworkSettings()})
    with pytest.raises(SettingsError, match="shop-orders is one: set database_network"):
        synthesized(settings, tmp_path, monkeypatch)
