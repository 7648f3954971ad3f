"""State: how it is encrypted, kept and derived, in every environment."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from layers import build
from millrace.compiler.event_contracts import compile_contracts
from millrace.core import audit
from millrace.eventstore.tables import TABLES
from stacks.application import new_app
from stacks.environment import ENVIRONMENTS
from stacks.storage import StorageStack
from tests.support.templates import Templates, as_list

TABLE = "AWS::DynamoDB::Table"
STATEFUL = (TABLE, "AWS::S3::Bucket", "AWS::Kinesis::Stream", "AWS::KMS::Key")


# Written out, so that a slip in a model is a slip against the design and not against itself.
KEYS: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, ...]], bool]] = {
    "Events": (
        ("eventId",),
        {
            "eventType-timestamp-index": ("typeKey", "sortKey"),
            "userId-timestamp-index": ("userKey", "sortKey"),
            "correlationId-timestamp-index": ("correlationKey", "sortKey"),
            "entity-timestamp-index": ("entityKey", "sortKey"),
        },
        True,
    ),
    "UserEvents": (
        ("userKey", "sortKey"),
        {
            "eventType-timestamp-index": ("typeKey", "sortKey"),
            "sessionId-timestamp-index": ("sessionKey", "sortKey"),
        },
        True,
    ),
    "Analytics": (
        ("metricKey", "tileKey"),
        {
            "userId-metricType-index": ("userKey", "metricKey"),
            "eventType-date-index": ("typeKey", "date"),
        },
        True,
    ),
    "Metadata": (("entityTypeKey", "entityId"), {"userId-status-index": ("userKey", "status")}, True),
    "MLModels": (
        ("modelKey", "version"),
        {
            "modelType-status-index": ("typeKey", "status"),
            "performance-version-index": ("performanceKey", "performance"),
        },
        False,
    ),
    "FeatureStore": (
        ("featureKey", "sortKey"),
        {"featureName-dataType-index": ("featureName", "dataType")},
        True,
    ),
    "SubjectKeys": (("subjectKey",), {"listed-index": ("listedKey", "listed")}, False),
}


def _schema(schema: list[dict[str, str]]) -> tuple[str, ...]:
    assert [key["KeyType"] for key in schema] == ["HASH", "RANGE"][: len(schema)]
    return tuple(key["AttributeName"] for key in schema)


def _table(templates: Templates, model: str) -> dict[str, Any]:
    return templates.one(TABLE, f"{model}Table", "storage")


def test_state_is_in_the_storage_stack_only(every: Templates) -> None:
    for kind in STATEFUL:
        assert every.resources(kind, "storage")
        assert not every.resources(kind, "ingestion")
        assert not every.resources(kind, "consumers")


def test_state_is_retained_in_prod_and_goes_with_its_stack_elsewhere(every: Templates) -> None:
    wanted = "Retain" if every.environment == "prod" else "Delete"
    for kind in STATEFUL:
        for logical_id, resource in every.resources(kind).items():
            assert resource["DeletionPolicy"] == wanted, logical_id
            assert resource["UpdateReplacePolicy"] == wanted, logical_id


@pytest.mark.parametrize("model", KEYS)
def test_keys_indexes_and_expiry_of_a_table(every: Templates, model: str) -> None:
    properties = _table(every, model)["Properties"]
    key, indexes, expires = KEYS[model]
    assert _schema(properties["KeySchema"]) == key
    made = {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes", [])}
    assert {name: _schema(index["KeySchema"]) for name, index in made.items()} == indexes
    assert all(index["Projection"] == {"ProjectionType": "KEYS_ONLY"} for index in made.values())
    assert {a["AttributeType"] for a in properties["AttributeDefinitions"]} == {"S"}
    expiry = {"AttributeName": "expiresAt", "Enabled": True} if expires else None
    assert properties.get("TimeToLiveSpecification") == expiry


def test_no_model_is_left_out() -> None:
    assert {model.__name__ for model in TABLES} == set(KEYS)


def test_tables_are_encrypted_with_the_data_key(every: Templates) -> None:
    for table in every.resources(TABLE).values():
        encryption = table["Properties"]["SSESpecification"]
        assert encryption["SSEEnabled"] is True
        assert encryption["SSEType"] == "KMS"
        assert encryption["KMSMasterKeyId"]["Fn::GetAtt"][0].startswith("DataKey")


def test_recovery_and_deletion_protection_by_environment(every: Templates) -> None:
    recoverable = every.environment in {"staging", "prod"}
    for model in TABLES:
        properties = _table(every, model.__name__)["Properties"]
        recovery = properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        # A backup would bring erased persons' keys back; events and their pointers are put back from the lake.
        assert recovery is (recoverable and model.__name__ not in {"SubjectKeys", "Events", "UserEvents"})
        assert properties["DeletionProtectionEnabled"] is (every.environment == "prod")


def _denied(table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    statements = table["Properties"]["ResourcePolicy"]["PolicyDocument"]["Statement"]
    assert {one["Effect"] for one in statements} == {"Deny"}
    assert {str(one["Principal"]) for one in statements} == {str({"AWS": "*"})}
    return {one["Sid"]: one for one in statements}


def test_tables_are_reached_over_tls_only(every: Templates) -> None:
    for model in TABLES:
        denied = _denied(_table(every, model.__name__))["OverTlsOnly"]
        assert denied["Action"] == "dynamodb:*"
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_nobody_may_change_or_remove_a_line_of_the_audit(every: Templates) -> None:
    denied = _denied(_table(every, "Metadata"))["AuditIsAppendOnly"]
    assert set(denied["Action"]) == {
        f"dynamodb:{name}"
        for name in ("BatchWriteItem", "DeleteItem", "PartiQLDelete", "PartiQLUpdate", "UpdateItem")
    }
    ((operator, keys),) = denied["Condition"].items()
    (pattern,) = keys["dynamodb:LeadingKeys"]
    assert operator == "ForAnyValue:StringLike"
    for key, is_audit in (
        (audit.partition("org_acme"), True),
        ("org_acme#audit#2026-11-21", True),
        (audit.chains(), False),
        ("org_acme#audit-names", False),
        ("org_acme#mutes", False),
    ):
        assert fnmatchcase(key, pattern) is is_audit
    # What a role may do beyond that is to put, on a condition that the code sets.
    uses = {action for _, one in every.statements() for action in as_list(one["Action"])}
    assert {one for one in uses if one.startswith("dynamodb:PartiQL")} == set()


def test_anchors_of_the_audit_are_locked_where_the_settings_say_so(every: Templates) -> None:
    years = ENVIRONMENTS[every.environment].audit_lock_years
    locked = {
        name: one["Properties"]
        for name, one in every.resources("AWS::S3::Bucket").items()
        if one["Properties"].get("ObjectLockEnabled")
    }
    output = every.stacks["storage"]["Outputs"]["AuditBucket"]["Value"]["Ref"]
    if years is None:
        assert locked == {}
        assert output == every.stacks["storage"]["Outputs"]["LakeBucket"]["Value"]["Ref"]
        return
    assert set(locked) == {output}
    retention = locked[output]["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert retention["Mode"] == "COMPLIANCE"
    assert years * 365 + 1 <= retention["Days"] <= years * 366
    assert locked[output]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert every.environment == "prod"


def test_recovery_of_events_is_one_setting_away(tmp_path: Path) -> None:
    settings = ENVIRONMENTS["prod"].model_copy(update={"recover_events": True})
    template = Template.from_stack(StorageStack(new_app(str(tmp_path)), "storage", settings=settings))
    recovered = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    captured = {"KinesisStreamSpecification": Match.any_value()}
    template.has_resource_properties("AWS::DynamoDB::Table", {**recovered, **captured})


def test_only_events_is_captured_and_has_a_stream(every: Templates) -> None:
    for model in TABLES:
        properties = _table(every, model.__name__)["Properties"]
        if model.__name__ == "Events":
            assert properties["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
            assert properties["KinesisStreamSpecification"]["StreamArn"]["Fn::GetAtt"][0].startswith(
                "EventLog"
            )
        else:
            assert "StreamSpecification" not in properties
            assert "KinesisStreamSpecification" not in properties


def test_the_log_is_encrypted_and_kept_as_long_as_the_environment_says(every: Templates) -> None:
    properties = every.one("AWS::Kinesis::Stream", "EventLog")["Properties"]
    assert properties["StreamEncryption"]["EncryptionType"] == "KMS"
    hours = {"local": 24, "dev": 24, "staging": 72, "prod": 168}
    assert properties["RetentionPeriodHours"] == hours[every.environment]
    assert properties["StreamModeDetails"]["StreamMode"] == "PROVISIONED"
    assert properties["ShardCount"] == {"local": 1, "dev": 1, "staging": 1, "prod": 2}[every.environment]


def test_a_log_on_demand_is_one_setting_away(tmp_path: Path) -> None:
    settings = ENVIRONMENTS["prod"]
    app = new_app(str(tmp_path))
    on_demand = settings.model_copy(update={"stream": settings.stream.model_copy(update={"shards": None})})
    made = StorageStack(app, "storage", settings=on_demand)
    template = Template.from_stack(made)
    template.has_resource_properties(
        "AWS::Kinesis::Stream",
        {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "ShardCount": Match.absent()},
    )
    metrics = {
        alarm["Properties"]["MetricName"]
        for alarm in template.find_resources("AWS::CloudWatch::Alarm").values()
    }
    assert "ThrottledPutRecordCount" in metrics
    assert "IncomingBytes" not in metrics, "there is no limit that it could come near"


def test_keys_rotate_and_are_two_beside_the_one_that_signs(every: Templates) -> None:
    keys = {name[:4]: key["Properties"] for name, key in every.resources("AWS::KMS::Key").items()}
    signing = keys.pop("Sign")
    assert (signing["KeySpec"], signing["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    assert keys.keys() == {"Data", "Tena"}
    assert all(key["EnableKeyRotation"] for key in keys.values()), "KMS rotates no key that signs"


def test_the_lake_is_versioned_encrypted_and_private(every: Templates) -> None:
    properties = every.one("AWS::S3::Bucket", "LakeBucket")["Properties"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    rule = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    assert rule["BucketKeyEnabled"] is True
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]["Fn::GetAtt"][0].startswith("DataKey")
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}


def test_lifecycle_of_the_lake(every: Templates) -> None:
    properties = every.one("AWS::S3::Bucket", "LakeBucket")["Properties"]
    rules = {rule.get("Prefix", ""): rule for rule in properties["LifecycleConfiguration"]["Rules"]}
    assert rules["quarantine/"]["ExpirationInDays"] == 25
    assert rules["dead-letters/"]["ExpirationInDays"] == 180
    assert rules["aws/lambda/"]["ExpirationInDays"] == 180
    assert rules["runs/"]["ExpirationInDays"] == 90
    assert rules["reconcile/"]["ExpirationInDays"] == 400
    assert rules["athena-results/"]["ExpirationInDays"] == 7
    exports = rules["privacy/exports/"]
    assert exports["ExpirationInDays"] == 7
    assert exports["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}, "they hold values in clear"
    for prefix in ("processed/", "curated/"):
        assert "ExpirationInDays" not in rules.get(prefix, {}), "what the tables name stays"
        assert (prefix in rules) is (every.environment == "prod")
    assert rules["redriven/"]["ExpirationInDays"] == 180
    assert rules[""]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    if every.environment == "prod":
        assert "ExpirationInDays" not in rules["raw/"], "accepted events stay"
        assert rules["raw/"]["Transitions"] == [{"StorageClass": "STANDARD_IA", "TransitionInDays": 90}]
    else:
        kept = rules["raw/"]["ExpirationInDays"]
        assert kept == ENVIRONMENTS[every.environment].lake.raw_expiry_days
        longest = max(contract.retention_days for contract in compile_contracts(build.SCHEMAS))
        assert kept > longest, "a late event has its day made again from raw"


@pytest.mark.parametrize(
    ("policies", "guarded"),
    [("AWS::S3::BucketPolicy", "AWS::S3::Bucket"), ("AWS::SQS::QueuePolicy", "AWS::SQS::Queue")],
)
def test_nothing_is_reached_without_tls(every: Templates, policies: str, guarded: str) -> None:
    refused = [
        policy
        for policy in every.resources(policies).values()
        if any(
            statement["Effect"] == "Deny"
            and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            and statement["Principal"] in ("*", {"AWS": "*"})
            for statement in as_list(policy["Properties"]["PolicyDocument"]["Statement"])
        )
    ]
    assert len(refused) == len(every.resources(guarded)) > 0


def test_the_bus_has_a_name_that_outsiders_can_know(every: Templates) -> None:
    properties = every.one("AWS::Events::EventBus", "Bus")["Properties"]
    assert properties["Name"] == f"millrace-{every.environment}"


def test_only_the_bus_the_api_and_delivered_logs_have_fixed_names(every: Templates) -> None:
    named = {
        TABLE: "TableName",
        "AWS::S3::Bucket": "BucketName",
        "AWS::Kinesis::Stream": "Name",
        "AWS::SQS::Queue": "QueueName",
        "AWS::Lambda::Function": "FunctionName",
        "AWS::IAM::Role": "RoleName",
        "AWS::Logs::LogGroup": "LogGroupName",
    }
    for kind, name in named.items():
        given = [r["Properties"][name] for r in every.resources(kind).values() if name in r["Properties"]]
        for one in given:
            assert "/aws/vendedlogs/" in str(one)
            assert "AWS::StackId" in str(one), "a retained group must not be in the way of the next stack's"
        assert bool(given) is (kind == "AWS::Logs::LogGroup")
