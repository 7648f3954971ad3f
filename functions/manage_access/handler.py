"""Edge: tenants, users, roles and keys, and who calls; and what persons have agreed to."""

from aws_lambda_powertools import Logger

from functions.manage_access.settings import Settings
from millrace.access import policies
from millrace.access.user_pool import CognitoPool
from millrace.alerts.assemble import emitter
from millrace.api.bi import BiApi
from millrace.api.consents import ConsentsApi
from millrace.api.guard import guard
from millrace.api.keys import KeysApi
from millrace.api.router import Router, routed
from millrace.api.sources import SourcesApi
from millrace.api.tenants import TenantsApi
from millrace.api.tokens import TokensApi
from millrace.api.users import UsersApi
from millrace.core.aws import Lazy, client
from millrace.core.edge import Handler, edge
from millrace.core.table import Table
from millrace.privacy import purposes
from millrace.privacy.assemble import subjects


@edge("manage_access", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers one call."""
    metadata = Table(client("dynamodb"), settings.metadata_table)
    pool = CognitoPool(Lazy("cognito-idp"), settings.user_pool_id)
    keys, tenants = KeysApi(metadata), TenantsApi(metadata, pool)
    users = UsersApi(metadata, pool, policies.rights)
    bi = BiApi(
        metadata,
        Lazy("sts"),
        policies.rights,
        environment=settings.environment,
        account=settings.bi_account,
        bucket=settings.bi_lake,
    )
    people = subjects(
        Table(client("dynamodb"), settings.subject_keys_table), metadata, settings.tenant_key_id
    )
    consents = ConsentsApi(people, metadata, purposes.load(), emitter(settings, log.warning))
    answers = {
        "GET /v1/me": tenants.me,
        "POST /v1/token": TokensApi(metadata).exchange,
        "POST /v1/bi-credentials": bi.create,
        "GET /v1/tenants": tenants.list,
        "POST /v1/tenants": tenants.create,
        "GET /v1/roles": users.roles,
        "GET /v1/users": users.list,
        "POST /v1/users": users.invite,
        "PATCH /v1/users/{id}": users.change,
        "DELETE /v1/users/{id}": users.remove,
        "GET /v1/keys": keys.list,
        "POST /v1/keys": keys.create,
        "POST /v1/keys/{id}/rotate": keys.rotate,
        "DELETE /v1/keys/{id}": keys.revoke,
        **SourcesApi(metadata, settings.environment).functions(),
        "GET /v1/subjects/{id}/consents": consents.list,
        "PUT /v1/subjects/{id}/consents/{purpose}": consents.put,
    }
    return routed(Router(answers, log.warning, guard=guard(settings, log.warning)), log)
