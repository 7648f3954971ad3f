"""The HTTP API, whose routes are those of `schemas/openapi.yaml`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from constructs import Construct, IDependable

from millrace.compiler import api_document
from millrace.core.http import AWS
from stacks.constructs.log_groups import log_group
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.waivers import waive
from stacks.settings import EnvironmentSettings

OPENAPI = Path(__file__).resolve().parent.parent.parent / "schemas" / "openapi.yaml"
# Why a route of a function has no authorizer.
_OPEN = {
    "read_api": "Answers whether the service is up and nothing else, for monitors without a credential.",
    "receive_webhooks": "Its callers are providers with credentials of their own: the function verifies their signature before it reads anything.",
    "collect": "Its clients send no bearer token: a write key in the body or in basic authentication is checked by the function.",
}
# The request id is the one that a handler answers with as x-request-id. Nothing of a person: ids and no names, no address of a client, no path (an id may be in
# it, so only the route's template), no header but the name of the program that calls.
_ACCESS_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    # Also of a call without a route.
    "method": "$context.httpMethod",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "latencyMs": "$context.responseLatency",
    "org": "$context.authorizer.org",
    "kind": "$context.authorizer.kind",
    "principal": "$context.authorizer.id",
    "agent": "$context.identity.userAgent",
    "authorizerError": "$context.authorizer.error",
    "integrationError": "$context.integrationErrorMessage",
}


class EventApi(Construct):
    """Gateway, authorizer, routes and the stage that serves them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: EnvironmentSettings,
        authorizer: PlatformFunction,
        functions: Mapping[str, PlatformFunction],
        after: IDependable,
    ) -> None:
        """Makes the API.

        Args:
            scope: the stack.
            construct_id: its name there.
            settings: the environment's; they limit the requests a second.
            authorizer: the function that checks credentials.
            functions: those that `x-millrace-function` may name, by stem.
            after: what has to be in place before the first request.
        """
        super().__init__(scope, construct_id)
        self.api = apigateway.HttpApi(
            self, "Api", api_name=f"millrace-{settings.name}", create_default_stage=False
        )
        self._authorizer = authorizers.HttpLambdaAuthorizer(
            "Credentials",
            authorizer.function,
            response_types=[authorizers.HttpLambdaResponseType.SIMPLE],
            identity_source=["$request.header.Authorization"],
            results_cache_ttl=Duration.seconds(60),
        )
        self._signed = authorizers.HttpIamAuthorizer()
        self._integrations = {
            stem: integrations.HttpLambdaIntegration(stem, function.function, scope_permission_to_route=False)
            for stem, function in functions.items()
        }
        for key, route in api_document.routes(api_document.load(OPENAPI)).items():
            self._add(key, route)
        self._serve(settings, after)

    @property
    def url(self) -> str:
        """Without a slash at the end: a path is appended as it is."""
        return self.api.api_endpoint

    def _add(self, key: str, route: Mapping[str, Any]) -> None:
        method, path = key.split()
        is_open = route["right"] is None
        made = apigateway.HttpRoute(
            self,
            key,
            http_api=self.api,
            route_key=apigateway.HttpRouteKey.with_(path, apigateway.HttpMethod[method]),
            integration=self._integrations[route["function"]],
            authorizer=None if is_open else self._signed if route["right"] == AWS else self._authorizer,
        )
        if is_open:
            waive(made, "APIG4", _OPEN[route["function"]])

    def _serve(self, settings: EnvironmentSettings, after: IDependable) -> None:
        self.access_logs = log_group(self, "AccessLogs", settings=settings, delivered="apis/access")
        stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(
                rate_limit=settings.throttle.rate, burst_limit=settings.throttle.burst
            ),
        )
        resource = stage.node.default_child
        if not isinstance(resource, apigateway.CfnStage):
            raise TypeError("an HttpStage is made of one CfnStage")
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=self.access_logs.log_group_arn, format=json.dumps(_ACCESS_LOG)
        )
        stage.node.add_dependency(after)
