"""Credentials of an hour for tools of business intelligence, which read tables by Athena under Lake Formation.

The operator makes, for a tenant and one of its roles, an IAM role with the grants that the policies compile to
(`compiler.lake_formation`), and a workgroup of Athena for the tenant. Here that role is assumed for a person who has the
tenant's role, under a session policy: what the session may is within both. Rows and columns are Lake Formation's; the session
itself names the tables, the workgroup and the tenant's own place for results, and reads no other object.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
"""

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import orjson

from millrace.access.actions import DATASET
from millrace.core.prefixes import ATHENA_RESULTS

LIFE = timedelta(hours=1)
# Staging is views of another engine, and of raw the documents may hold anything.
LAYERS = ("silver", "gold", "marts", "ml_features")
# AWS counts the text of a session policy: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
MOST_CHARACTERS = 2048
_ROLE_NAME = 64
_HASH = 16
_ATHENA = (
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:GetWorkGroup",
)
_GLUE = ("glue:GetDatabase", "glue:GetDatabases", "glue:GetTable", "glue:GetTables", "glue:GetPartitions")


class TooManyTablesError(ValueError):
    """A session policy cannot name them all."""


def role_name(environment: str, org: str, role: str) -> str:
    """The IAM role of a tenant's role, such as `millrace-prod-bi-org_acme-analyst`; cut and with a hash where AWS takes no more."""
    start, rest = f"millrace-{environment}-bi-", f"{org}-{role}"
    if len(start) + len(rest) > _ROLE_NAME:
        cut = _ROLE_NAME - len(start) - _HASH - 1
        rest = f"{rest[:cut]}-{hashlib.sha256(rest.encode()).hexdigest()[:_HASH]}"
    return start + rest


def workgroup(environment: str, org: str) -> str:
    """The workgroup of Athena of a tenant: who shares one sees the others' queries."""
    return f"millrace-{environment}-bi-{org}"


def tables(scopes: Iterable[str]) -> list[tuple[str, str]]:
    """Layer and table, `*` for all of a layer, that scopes name of what Athena has, without those that a layer covers."""
    named = {tuple(one.removeprefix(DATASET).split(".", 1)) for one in scopes if one.startswith(DATASET)}
    whole = {one[0] for one in named if one[1:] == ("*",)}
    found = [(one[0], one[1]) for one in named if len(one) == 2 and (one[1] == "*" or one[0] not in whole)]
    return sorted(one for one in found if one[0] in LAYERS)


def session_policy(
    environment: str, org: str, *, account: str, bucket: str, named: Iterable[tuple[str, str]]
) -> str:
    """What a session may, as JSON.

    Args:
        environment: whose tables.
        org: the tenant.
        account: of AWS.
        bucket: the lake's.
        named: as `tables` gives them.

    Raises:
        TooManyTablesError: they do not fit.
    """
    catalog, results = f"arn:aws:glue:*:{account}", f"arn:aws:s3:::{bucket}/{ATHENA_RESULTS}{org}/*"
    of_tables = [
        arn for layer, table in named for arn in (f"{catalog}:table/millrace_{environment}_{layer}/{table}",)
    ]
    databases = sorted({f"{catalog}:database/millrace_{environment}_{layer}" for layer, _ in named})
    statements: list[dict[str, Any]] = [
        _allow(_ATHENA, [f"arn:aws:athena:*:{account}:workgroup/{workgroup(environment, org)}"]),
        _allow(_GLUE, [f"{catalog}:catalog", *databases, *of_tables]),
        # Lake Formation gives data by its own grants, and takes no resource here.
        _allow(("lakeformation:GetDataAccess",), ["*"]),
        _allow(("s3:GetObject", "s3:PutObject"), [results]),
    ]
    text = orjson.dumps({"Version": "2012-10-17", "Statement": statements}).decode()
    if len(text) > MOST_CHARACTERS:
        raise TooManyTablesError(f"{len(of_tables)} tables are more than a session policy can name")
    return text


def _allow(actions: Iterable[str], on: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}
