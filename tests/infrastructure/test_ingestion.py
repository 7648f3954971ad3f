"""The HTTP API is its document; nothing passes without a credential but health and what takes a write key; capture is open before it."""

import json
import re
from typing import Any

from openapi_spec_validator import validate

from millrace.access.actions import ACTIONS
from millrace.compiler import api_document, deployed
from millrace.core.http import ANY, AWS
from millrace.sigma import gateway_lines
from stacks.constructs.http_api import OPENAPI
from stacks.environment import ENVIRONMENTS
from tests.support.contracts import SCHEMAS
from tests.support.templates import Templates, as_list

ROUTE = "AWS::ApiGatewayV2::Route"
CALLS = {
    "POST /v1/events": ("post_events", "events:write"),
    **{
        f"{method} {path}": ("collect", None)
        for path in (
            "/v1/collect",
            "/beacon/v1/batch",
            "/com.snowplowanalytics.snowplow/tp2",
            *(f"/v1/{kind}" for kind in ("batch", "track", "identify", "page", "screen", "group", "alias")),
            *(f"/v1/{short}" for short in "btipsga"),
        )
        for method in ("POST", "OPTIONS")
    },
    "GET /i": ("collect", None),
    "POST /v1/webhooks/{binding}": ("receive_webhooks", None),
    "GET /v1/sources": ("manage_access", "sources:read"),
    "GET /v1/sources/{name}": ("manage_access", "sources:read"),
    "POST /v1/sources/{name}/pause": ("manage_access", "sources:write"),
    "POST /v1/sources/{name}/resume": ("manage_access", "sources:write"),
    "GET /v1/subjects/{id}": ("read_api", "personal:read"),
    "DELETE /v1/subjects/{id}": ("change_subjects", "subjects:write"),
    "GET /v1/subjects/{id}/erasure": ("change_subjects", "subjects:read"),
    "GET /v1/subjects/{id}/export": ("change_subjects", "subjects:write"),
    "POST /v1/subjects/{id}/export": ("change_subjects", "subjects:write"),
    "PUT /v1/subjects/{id}/restriction": ("change_subjects", "subjects:write"),
    "DELETE /v1/subjects/{id}/restriction": ("change_subjects", "subjects:write"),
    "POST /v1/subjects/{id}/rectification": ("change_subjects", "subjects:write"),
    "PUT /v1/subjects/{id}/hold": ("change_subjects", "subjects:write"),
    "DELETE /v1/subjects/{id}/hold": ("change_subjects", "subjects:write"),
    "GET /v1/subjects/holds": ("change_subjects", "subjects:read"),
    "GET /v1/subjects/requests": ("change_subjects", "subjects:read"),
    "POST /v1/subjects/requests/{requestId}/done": ("change_subjects", "subjects:write"),
    "GET /v1/subjects/signing-key": ("change_subjects", "subjects:read"),
    "GET /v1/events": ("read_api", "events:read"),
    "GET /v1/events/{eventId}": ("read_api", "events:read"),
    "GET /v1/events/{eventId}/trace": ("read_api", "events:read"),
    "GET /v1/schemas": ("read_api", "schemas:read"),
    "GET /v1/schemas/{type}/{version}": ("read_api", "schemas:read"),
    "POST /v1/schemas/check": ("check_schema", "schemas:read"),
    "POST /v1/imports": ("post_events", "events:write"),
    "GET /v1/imports": ("read_api", "quarantine:read"),
    "GET /v1/imports/{id}": ("read_api", "quarantine:read"),
    "GET /v1/imports/{id}/refused": ("read_api", "quarantine:read"),
    "GET /v1/quarantine": ("read_api", "quarantine:read"),
    "GET /v1/quarantine/{id}": ("read_api", "quarantine:read"),
    "POST /v1/detokenise": ("read_api", "personal:detokenise"),
    "POST /v1/quarantine/replay": ("replay_quarantine", "quarantine:write"),
    "POST /v1/quarantine/discard": ("replay_quarantine", "quarantine:write"),
    "POST /v1/predict": ("predict", "fraud:read"),
    "POST /v1/predict/batch": ("predict", "fraud:read"),
    "GET /v1/fraud/decisions": ("read_api", "fraud:read"),
    "GET /v1/fraud/decisions/{transactionId}": ("read_api", "fraud:read"),
    "GET /v1/datasets": ("read_api", "catalog:read"),
    "GET /v1/datasets/{name}": ("read_api", "catalog:read"),
    "GET /v1/datasets/{name}/lineage": ("read_api", "catalog:read"),
    "GET /v1/analytics": ("read_analytics", "events:read"),
    "GET /v1/analytics/{metric}": ("read_analytics", "events:read"),
    "GET /v1/alerts": ("read_api", "alerts:read"),
    "GET /v1/audit": ("read_api", "audit:read"),
    "POST /v1/alerts/{id}/acknowledge": ("change_alerts", "alerts:write"),
    "POST /v1/alerts/{id}/mute": ("change_alerts", "alerts:write"),
    "GET /v1/grants": ("decide_grants", "grants:read"),
    "POST /v1/grants": ("decide_grants", "grants:request"),
    "POST /v1/grants/{id}/approve": ("decide_grants", "grants:approve"),
    "POST /v1/grants/{id}/refuse": ("decide_grants", "grants:approve"),
    "POST /v1/grants/{id}/revoke": ("decide_grants", "grants:request"),
    "GET /v1/anonymised": ("query_lake", "catalog:read"),
    "GET /v1/anonymised/{name}": ("query_lake", "catalog:read"),
    "POST /v1/anonymised/{name}": ("query_lake", "datasets:anonymise"),
    "POST /v1/query": ("query_lake", "query:run"),
    "DELETE /v1/query/{id}": ("query_lake", "query:run"),
    "GET /v1/features": ("read_api", "features:read"),
    "POST /v1/bi-credentials": ("manage_access", "query:run"),
    "POST /v1/token": ("manage_access", "aws"),
    "GET /v1/me": ("manage_access", "any"),
    "GET /v1/tenants": ("manage_access", "tenants:read"),
    "POST /v1/tenants": ("manage_access", "tenants:write"),
    "GET /v1/roles": ("manage_access", "roles:read"),
    "GET /v1/users": ("manage_access", "users:read"),
    "POST /v1/users": ("manage_access", "users:write"),
    "PATCH /v1/users/{id}": ("manage_access", "users:write"),
    "DELETE /v1/users/{id}": ("manage_access", "users:write"),
    "GET /v1/keys": ("manage_access", "keys:read"),
    "POST /v1/keys": ("manage_access", "keys:write"),
    "POST /v1/keys/{id}/rotate": ("manage_access", "keys:write"),
    "DELETE /v1/keys/{id}": ("manage_access", "keys:write"),
    "GET /v1/subjects/{id}/consents": ("manage_access", "subjects:read"),
    "PUT /v1/subjects/{id}/consents/{purpose}": ("manage_access", "subjects:write"),
    "GET /v1/openapi.json": ("read_api", "schemas:read"),
    "GET /v1/health": ("read_api", None),
    **dict.fromkeys(
        (
            "GET /subjects",
            "POST /subjects/{subject}",
            "GET /subjects/{subject}/versions",
            "POST /subjects/{subject}/versions",
            "GET /subjects/{subject}/versions/{version}",
            "GET /subjects/{subject}/versions/{version}/schema",
            "GET /schemas",
            "GET /schemas/types",
            "GET /schemas/ids/{id}",
            "GET /schemas/ids/{id}/schema",
            "GET /schemas/ids/{id}/subjects",
            "GET /schemas/ids/{id}/versions",
            "GET /config",
            "GET /config/{subject}",
            "GET /mode",
            "GET /mode/{subject}",
            "GET /contexts",
            "GET /apis/registry/v3/groups/{group}/artifacts/{artifact}/versions/{version}",
            "GET /apis/registry/v3/groups/{group}/artifacts/{artifact}/versions/{version}/content",
            "GET /apis/registry/v3/ids/globalIds/{id}",
            "GET /apis/registry/v3/ids/contentIds/{id}",
        ),
        ("read_api", "schemas:read"),
    ),
}


def _document() -> dict[str, Any]:
    return api_document.load(OPENAPI)


def test_the_document_is_openapi_and_has_every_call() -> None:
    validate(_document())
    routes = api_document.routes(_document())
    assert {key: (route["function"], route["right"]) for key, route in routes.items()} == CALLS
    assert {right for _, right in CALLS.values() if right is not None} <= {ANY, AWS, *ACTIONS}


def test_routes_are_those_of_the_document(every: Templates) -> None:
    routes = {r["Properties"]["RouteKey"]: r["Properties"] for r in every.resources(ROUTE).values()}
    assert set(routes) == set(CALLS)
    integrations = every.resources("AWS::ApiGatewayV2::Integration")
    for key, (function, _) in CALLS.items():
        target = str(routes[key]["Target"])
        logical_id = next(name for name in integrations if f"'{name}'" in target)
        assert function.replace("_", "") in str(integrations[logical_id]["Properties"]["IntegrationUri"])


def test_only_health_and_the_doors_of_write_keys_and_of_signatures_are_open(every: Templates) -> None:
    open_routes = {
        r["Properties"]["RouteKey"]
        for r in every.resources(ROUTE).values()
        if r["Properties"]["AuthorizationType"] == "NONE"
    }
    doors = {route for route, (function, _) in CALLS.items() if function in ("collect", "receive_webhooks")}
    assert open_routes == {"GET /v1/health"} | doors
    closed = [r["Properties"] for r in every.resources(ROUTE).values() if "AuthorizerId" in r["Properties"]]
    assert {r["AuthorizationType"] for r in closed} == {"CUSTOM"}
    signed = [
        r["Properties"]["RouteKey"]
        for r in every.resources(ROUTE).values()
        if r["Properties"]["AuthorizationType"] == "AWS_IAM"
    ]
    assert signed == ["POST /v1/token"]
    assert len(closed) == len(CALLS) - len(open_routes) - len(signed)


def test_the_authorizer_answers_simply_and_is_asked_once_a_minute(every: Templates) -> None:
    (authorizer,) = every.resources("AWS::ApiGatewayV2::Authorizer").values()
    properties = authorizer["Properties"]
    assert properties["AuthorizerType"] == "REQUEST"
    assert properties["EnableSimpleResponses"] is True
    assert properties["AuthorizerPayloadFormatVersion"] == "2.0"
    assert properties["IdentitySource"] == ["$request.header.Authorization"]
    assert properties["AuthorizerResultTtlInSeconds"] == 60


def test_the_stage_is_bounded_and_logs_who_called_without_what_they_carried(every: Templates) -> None:
    (stage,) = every.resources("AWS::ApiGatewayV2::Stage").values()
    properties = stage["Properties"]
    throttle = ENVIRONMENTS[every.environment].throttle
    assert properties["StageName"] == "$default"
    assert properties["DefaultRouteSettings"]["ThrottlingRateLimit"] == throttle.rate
    assert properties["DefaultRouteSettings"]["ThrottlingBurstLimit"] == throttle.burst
    log = properties["AccessLogSettings"]["Format"]
    assert "$context.requestId" in log
    assert "$context.authorizer.org" in log
    # What is read of a line is what is written into it.
    written = json.loads(log)
    assert {*gateway_lines.READ} <= written.keys()
    assert not re.search("authorization|header", log, re.IGNORECASE)
    # Neither who a person is or where a client is, nor a path or a query with somebody's id in it.
    assert not re.search(
        r"authorizer\.principal|sourceIp|context\.path|requestOverride|querystring", log, re.IGNORECASE
    )


def test_the_access_log_is_handed_on_to_the_lake(every: Templates) -> None:
    subscriptions = every.resources("AWS::Logs::SubscriptionFilter")
    if every.environment == "local":
        assert subscriptions == {}
        return
    ((_, one),) = subscriptions.items()
    (stage,) = every.resources("AWS::ApiGatewayV2::Stage").values()
    group = stage["Properties"]["AccessLogSettings"]["DestinationArn"]["Fn::GetAtt"][0]
    assert one["Properties"]["LogGroupName"] == {"Ref": group}
    assert "keepaccesslogs" in json.dumps(one["Properties"]["DestinationArn"])
    # Every line, also of calls that nobody was recognised in.
    assert one["Properties"]["FilterPattern"] == ""


def test_nothing_that_serves_people_reads_the_access_log(every: Templates) -> None:
    """It is of all tenants, so it is read with rights of AWS alone, and by what asks it Sigma rules, which nobody calls but its schedule."""
    readers = set()
    for stem in every.functions():
        for statement in every.rights(stem):
            if {"s3:GetObject", "s3:GetObject*"} & set(as_list(statement["Action"])):
                text = json.dumps(statement["Resource"])
                if re.search(r'"/(\*|raw/\*|raw/logs/[^"]*)"', text):
                    readers.add(stem)
    assert readers == {"watch_audit"}
    routed = json.dumps([*every.resources("AWS::ApiGatewayV2::Integration").values()])
    assert "watchaudit" not in routed
    for statement in every.rights("watch_audit"):
        if "s3:GetObject" in as_list(statement["Action"]):
            assert re.search(r'"/raw/logs/\*"', json.dumps(statement["Resource"]))


def test_capture_is_open_before_the_api_serves(every: Templates) -> None:
    (stage,) = every.resources("AWS::ApiGatewayV2::Stage").values()
    ((name, opened),) = every.resources("Custom::OpenCapture").items()
    assert name in stage["DependsOn"]
    properties = opened["Properties"]
    assert "opencapture" in str(properties["ServiceToken"])
    assert re.fullmatch("[0-9a-f]{64}", properties["Revision"]), (
        "a change of code or contracts opens it again"
    )
    timeout = every.functions()["open_capture"]["Properties"]["Timeout"]
    assert int(properties["ServiceTimeout"]) > timeout, "the function answers first"


def test_capture_is_opened_with_all_its_rights_in_place(every: Templates) -> None:
    (opened,) = every.resources("Custom::OpenCapture").values()
    policies = {name for name in every.resources("AWS::IAM::Policy") if "opencapture" in name}
    assert policies <= set(opened["DependsOn"])
    assert len(policies) == 2


def test_a_new_shard_is_read_before_it_is_written(every: Templates) -> None:
    """What writes depends on what lists, so a deploy that raises the number updates that first."""
    functions = every.functions()
    shards = {
        stem: one["Properties"]["Environment"]["Variables"].get("TYPE_SHARDS")
        for stem, one in functions.items()
    }
    used = {stem for stem, number in shards.items() if number is not None}
    writers = {
        "change_alerts",
        "collect",
        "import_file",
        "manage_access",
        "post_events",
        "read_databases",
        "receive_bus_events",
        "receive_webhooks",
        "replay_quarantine",
        "replay_waiting",
    }
    assert used == writers | {
        "analyze_events",
        "keep_audit",
        "read_api",
        "reconcile_events",
        "score_transactions",
        "sweep_timers",
        "watch_anomalies",
        "watch_audit",
        "publish_run",
        "move_model",
    }
    number = every.stacks["storage"]["Outputs"]["TypeShards"]["Value"]
    assert {shards[stem] for stem in used} == {number}
    (reads,) = (name for name in every.resources("AWS::Lambda::Function") if name.startswith("readapi"))
    for stem in writers:
        assert reads in functions[stem]["DependsOn"], stem


def test_outputs(every: Templates) -> None:
    names = {name for stack in every.stacks.values() for name in stack.get("Outputs", ())}
    wanted = {
        "ApiUrl",
        "LakeBucket",
        "EventStream",
        "EventBus",
        "TenantKeyId",
        "SubscriberQueue",
        "QueryFunction",
    }
    wanted |= {f"{name}Table" for name in ("Events", "UserEvents", "Analytics", "Metadata", "MLModels")}
    assert wanted | {"FeatureStoreTable"} <= names
    assert not str(every.stacks["ingestion"]["Outputs"]["ApiUrl"]["Value"]).endswith("/']]}")


def test_a_deploy_leaves_its_contracts_to_the_next(every: Templates) -> None:
    """What the gate reads back from CloudFormation."""
    packed = every.stacks["ingestion"]["Metadata"][deployed.METADATA]
    assert deployed.unpack(packed) == deployed.of(SCHEMAS)
