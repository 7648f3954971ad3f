"""What differs between environments, what local leaves out, and the checks that stand before every deploy."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from aws_cdk import Stack
from aws_cdk import aws_sqs as sqs
from pydantic import ValidationError

import app
from cli.local import cdk
from layers import build
from millrace.compiler.warehouse.errors import WarehouseError
from millrace.contracts.errors import ContractError, ContractProblem
from stacks import application
from stacks.constructs.layers import UNBUILT_RULE
from stacks.environment import ENVIRONMENTS, environment_named, to_deploy
from stacks.errors import SettingsError
from stacks.omissions import OMISSION_REASONS, Omission
from stacks.settings_parts import LakehouseSettings
from tests.support import templates as support
from tests.support.templates import Templates

EMULATED = {
    line
    for line in (Path(support.__file__).parent / "emulator_types.txt").read_text().splitlines()
    if not line.startswith("#")
}


def test_local_uses_only_types_that_the_emulator_has(local: Templates) -> None:
    used = {r["Type"] for stack in local.stacks.values() for r in stack["Resources"].values()}
    assert not {kind for kind in used if not kind.startswith("Custom::")} - EMULATED
    assert {kind for kind in used if kind.startswith("Custom::")} == {
        "Custom::OpenCapture",
        "Custom::ReplayWaiting",
    }


def test_every_omission_has_a_reason_and_only_local_has_any() -> None:
    assert set(OMISSION_REASONS) == set(Omission)
    assert all(reason.endswith(".") and len(reason) > 40 for reason in OMISSION_REASONS.values())
    assert {name for name, settings in ENVIRONMENTS.items() if settings.omissions} == {"local"}


def test_what_reads_events_is_deployed_before_what_accepts_them(dev: Templates) -> None:
    """Else the first event of a new contract could meet consumers that do not know it."""
    assert {*dev.before["millrace-dev-ingestion"]} >= {"millrace-dev-consumers", "millrace-dev-lakehouse"}


def test_other_partitions_are_refused() -> None:
    for region in ("", "eu-west-1", "us-east-1", "ap-southeast-3"):
        application.refuse_partition(region)
    for region in ("cn-north-1", "us-gov-west-1", "us-iso-east-1"):
        with pytest.raises(ValueError, match=f"not deployed to {region}"):
            application.refuse_partition(region)


def test_local_empties_no_bucket_and_dev_does(local: Templates, dev: Templates) -> None:
    assert not local.resources("Custom::S3AutoDeleteObjects")
    assert len(dev.resources("Custom::S3AutoDeleteObjects")) == len(dev.resources("AWS::S3::Bucket"))


def test_prod_empties_no_bucket(prod: Templates) -> None:
    assert not prod.resources("Custom::S3AutoDeleteObjects")


def test_the_same_functions_tables_and_routes_everywhere() -> None:
    kinds = ("AWS::DynamoDB::Table", "AWS::ApiGatewayV2::Route", "AWS::Lambda::EventSourceMapping")
    for kind in kinds:
        assert len({frozenset(support.templates(name).resources(kind)) for name in ENVIRONMENTS}) == 1


def test_everything_is_tagged_with_its_environment(every: Templates) -> None:
    for table in every.resources("AWS::DynamoDB::Table").values():
        tags = {tag["Key"]: tag["Value"] for tag in table["Properties"]["Tags"]}
        assert tags == {"project": "millrace", "environment": every.environment}


def test_settings_cannot_be_changed_and_unknown_environments_are_named() -> None:
    with pytest.raises(ValueError, match="frozen"):
        ENVIRONMENTS["prod"].retain = False
    with pytest.raises(ValueError, match="-c env=qa: there are local, dev, staging, prod"):
        environment_named("qa")


# What is replaced in stacks/environment.py, by what → the setting, and what is said of it.
WRONG = {
    "no request": ("rate=50", "rate=0", "throttle.rate: it has to be at least 1, not 0"),
    "days that CloudWatch lacks": (
        "log_retention_days=30",
        "log_retention_days=31",
        "log_retention_days: 31 is none of 7, 14, 30, 60, 90, 180, 365, 731",
    ),
    "a schedule in words": (
        "rate(15 minutes)",
        "every 15 minutes",
        'canary: a schedule is cron(…) or rate(…), such as rate(15 minutes), in UTC, not "every 15 minutes"',
    ),
    "a setting misspelt": (
        "optimizers=True",
        "optimisers=True",
        "lakehouse.optimisers: there is no such setting; did you mean optimizers?",
    ),
    "a function misspelt": (
        "fraud_fan_out=True",
        "reserved_concurrency={'post_event': 5}",
        "reserved_concurrency: no function is called post_event; did you mean post_events?",
    ),
    "a text as a number": (
        "stream=StreamSettings(shards=2",
        "stream=StreamSettings(shards='two'",
        'stream.shards: it has to be a whole number, not "two"',
    ),
    "two routes of a name": (
        "fraud_fan_out=True",
        "alert_routes=({'name': 'A', 'severities': ('info',)}, {'name': 'A', 'severities': ('info',)})",
        "alert_routes: two routes are called A; each has a name of its own",
    ),
    "a tenant in capitals": (
        "fraud_fan_out=True",
        "lake_readers=({'name': 'Analysts', 'org': 'Acme', 'role': 'analyst'},)",
        'lake_readers.0.org: a tenant is in small letters, such as org_acme, not "Acme"',
    ),
    "a budget of nothing": (
        "features_budget_ms=10_000",
        "features_budget_ms=0",
        "features_budget_ms: it has to be at least 1",
    ),
    "a wait that is too short": (
        'learning=LearningSettings(train_in="lambda", ',
        'learning=LearningSettings(train_in="lambda", longest_hours=13, ',
        "learning: longest_wait_hours holds longest_hours, so it cannot be less",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_is_a_sentence_with_its_name_and_what_is_allowed(name: str) -> None:
    path = Path(__file__).parents[2] / "stacks/environment.py"
    old, new, wanted = WRONG[name]
    text = path.read_text()
    assert old in text
    code = compile(text.replace(old, new, 1), str(path), "exec")
    with pytest.raises(SettingsError) as refused:
        exec(code, {"__name__": "wrong", "__file__": str(path)})
    assert re.fullmatch(rf"stacks/environment\.py:[1-9][0-9]* {re.escape(wanted)}.*", str(refused.value))


@pytest.mark.parametrize(
    ("context", "said"),
    [
        (["env=prd"], "-c env=prd: there are local, dev, staging, prod; did you mean prod?"),
        (["env=prod"], "the alarms of prod would reach nobody: name an e-mail or https address with"),
        (
            ["env=dev", "alarm-contacts=oncall"],
            "-c alarm-contacts=oncall (ALARM_CONTACTS): oncall is neither an",
        ),
    ],
)
def test_a_wrong_context_is_refused_before_the_cdk_is_started(
    context: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cdk, "install", None)
    assert cdk.main(["synth", *(part for one in context for part in ("-c", one))]) == 1
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SettingsError("-c env=prd: there are …"), "-c env=prd: there are …"),
        (
            ContractError([ContractProblem("fraud/rules.yaml", "/version", "is missing")]),
            "schemas/fraud/rules.yaml:4 /version: is missing",
        ),
        (
            WarehouseError(["warehouse/dbt_project.yml:1: it is empty"]),
            "warehouse/dbt_project.yml:1: it is empty",
        ),
    ],
)
def test_a_synth_ends_with_a_line_and_no_traceback(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise error

    monkeypatch.setattr(application, "synthesize", refuse)
    with pytest.raises(SystemExit) as ended:
        app.main()
    code = str(ended.value.code)
    assert re.sub(r":[0-9]+ ", ": ", code) == re.sub(r":[0-9]+ ", ": ", said)
    assert "\n" not in code


def test_a_key_of_the_lineage_server_is_a_name_and_its_value_goes_encrypted() -> None:
    known = ENVIRONMENTS["dev"].lakehouse.model_dump()
    named = {**known, "lineage_url": "https://lineage.example", "lineage_key": "/millrace/dev/lineage-key"}
    assert LakehouseSettings(**named).lineage_key == "/millrace/dev/lineage-key"
    for wrong in (
        {"lineage_url": "http://lineage.example"},
        {"lineage_url": ""},
        {"lineage_url": "https://user:password@lineage.example"},
        {"lineage_key": "s3cret"},
    ):
        with pytest.raises(ValidationError):
            LakehouseSettings(**{**named, **wrong})


def test_prod_is_not_deployed_with_alarms_that_reach_nobody() -> None:
    with pytest.raises(ValueError, match="would reach nobody: name an e-mail or https address"):
        to_deploy("prod")
    settings = to_deploy("prod", alarm_contacts="oncall@example.com, https://hooks.example.com/1,")
    assert settings.alarm_contacts == ("oncall@example.com", "https://hooks.example.com/1")
    assert settings.model_copy(update={"alarm_contacts": ()}) == ENVIRONMENTS["prod"]
    for name in ("local", "dev", "staging"):
        assert to_deploy(name) == ENVIRONMENTS[name]
    for wrong in ("oncall", "http://hooks.example.com", "a b@example.com"):
        with pytest.raises(ValueError, match="neither an e-mail address nor an https address"):
            to_deploy("prod", alarm_contacts=wrong)


def test_a_stack_with_an_unbuilt_layer_cannot_be_deployed(every: Templates) -> None:
    for stack in ("ingestion", "consumers", "lakehouse", "real-time"):
        (assertion,) = every.stacks[stack]["Rules"][UNBUILT_RULE]["Assertions"]
        assert assertion["Assert"] == {"Fn::Equals": ["unbuilt", "built"]}
        assert f"make layers ENV={every.environment}" in assertion["AssertDescription"]
    assert UNBUILT_RULE not in every.stacks["storage"].get("Rules", {})


def test_with_its_layers_built_it_can(tmp_path: Path) -> None:
    layers = tmp_path / "layers"
    for name in build.THIRD_PARTY:
        unbuilt = build.third_party_layer(name, "dev", build=layers)
        (layers / f"{name}-lambda" / "python").mkdir(parents=True)
        (layers / f"{name}-lambda" / "python" / "module.py").write_text("")
        (layers / f"{name}-lambda.stamp").write_text(unbuilt.revision)
    made = support.read("dev", support.build("dev", outdir=tmp_path / "out", layers=layers).synth())
    assert not [name for name, stack in made.stacks.items() if UNBUILT_RULE in stack.get("Rules", {})]


def test_an_unwaived_finding_stops_the_synth(tmp_path: Path) -> None:
    app = support.build("dev", outdir=tmp_path / "out", layers=support.unbuilt_layers())
    stack = app.node.find_child("millrace-dev-storage")
    assert isinstance(stack, Stack)
    sqs.Queue(stack, "Careless")
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    report = (tmp_path / "out" / "validation-report.json").read_text()
    assert "AwsSolutions-SQS3" in report
    assert "Careless" in report


def test_a_construct_waives_a_rule_once_and_with_its_reason(every: Templates) -> None:
    assert every.waivers
    per_rule = Counter((path, rule.split("::")[-1].split("[")[0]) for path, rule, _ in every.waivers)
    assert max(per_rule.values()) == 1, per_rule.most_common(1)
    for path, rule, reason in every.waivers:
        assert path.count("/") >= 1, f"{rule} is waived for all of {path}"
        assert reason.endswith("."), (path, rule)
        assert len(reason) > 40, (path, rule)


def test_the_command_line_starts_what_is_tested_here() -> None:
    root = Path(build.__file__).parent.parent
    assert json.loads((root / "cdk.json").read_text())["app"] == ".venv/bin/python app.py"
