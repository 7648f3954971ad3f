"""The HTTP API, whose routes are those of `schemas/openapi.yaml`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from constructs import Construct, IDependable

from stacks.constructs.log_groups import log_group
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.waivers import waive
from stacks.environment import EnvironmentSettings

OPENAPI = Path(__file__).resolve().parent.parent.parent / "schemas" / "openapi.yaml"
_METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})
# The request id is the one that a handler answers with as x-request-id.
_ACCESS_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "latencyMs": "$context.responseLatency",
    "org": "$context.authorizer.org",
    "principal": "$context.authorizer.principal",
    "client": "$context.identity.sourceIp",
    "agent": "$context.identity.userAgent",
    "authorizerError": "$context.authorizer.error",
    "integrationError": "$context.integrationErrorMessage",
}


@dataclass(frozen=True)
class Route:
    """One operation of the OpenAPI document: the function that answers it, and the scope its caller needs (None: anyone)."""

    method: str
    path: str
    function: str
    scope: str | None

    @property
    def key(self) -> str:
        """As API Gateway writes it, such as `GET /v1/events/{eventId}`."""
        return f"{self.method} {self.path}"


def routes_of(document: Mapping[str, Any]) -> list[Route]:
    """Every operation of an OpenAPI document, in the document's order.

    Raises:
        ValueError: an operation names no function, or is closed and names no scope, or is open and names one.
    """
    routes = []
    for path, item in document["paths"].items():
        for method in _METHODS & set(item):
            operation = item[method]
            is_open = operation.get("security") == []
            scope = operation.get("x-millrace-scope")
            route = Route(method.upper(), path, operation.get("x-millrace-function", ""), scope)
            if not route.function:
                raise ValueError(f"{route.key}: x-millrace-function is missing")
            if is_open == (scope is not None):
                raise ValueError(f"{route.key}: needs x-millrace-scope exactly when it needs a credential")
            routes.append(route)
    return sorted(routes, key=lambda route: (route.path, route.method))


def load_routes(path: Path = OPENAPI) -> list[Route]:
    """The routes of the API's own document."""
    return routes_of(yaml.safe_load(path.read_text()))


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
        self._integrations = {
            stem: integrations.HttpLambdaIntegration(stem, function.function, scope_permission_to_route=False)
            for stem, function in functions.items()
        }
        self.routes = load_routes()
        for route in self.routes:
            self._add(route)
        self._serve(settings, after)

    @property
    def url(self) -> str:
        """Without a slash at the end: a path is appended as it is."""
        return self.api.api_endpoint

    def _add(self, route: Route) -> None:
        made = apigateway.HttpRoute(
            self,
            route.key,
            http_api=self.api,
            route_key=apigateway.HttpRouteKey.with_(route.path, apigateway.HttpMethod[route.method]),
            integration=self._integrations[route.function],
            authorizer=None if route.scope is None else self._authorizer,
        )
        if route.scope is None:
            waive(
                made,
                "APIG4",
                "Answers whether the service is up and nothing else, for monitors without a credential.",
            )

    def _serve(self, settings: EnvironmentSettings, after: IDependable) -> None:
        access_logs = log_group(self, "AccessLogs", settings=settings)
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
            destination_arn=access_logs.log_group_arn, format=json.dumps(_ACCESS_LOG)
        )
        stage.node.add_dependency(after)
