"""Credentials of an hour for tools of business intelligence."""

from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError

from millrace.access import bi
from millrace.access.credentials import Principal
from millrace.api.route import Call
from millrace.core import audit, clock
from millrace.core.errors import error_code, from_client_error
from millrace.core.http import Caller, Problem
from millrace.core.table import Table


class BiApi:
    """Answers of `POST /v1/bi-credentials`."""

    def __init__(
        self,
        metadata: Table,
        sts: Any,
        rights: Callable[[Principal], Collection[str]],
        *,
        environment: str,
        account: str,
        bucket: str,
    ) -> None:
        """Makes no call.

        Args:
            metadata: the table.
            sts: the client of `sts`.
            rights: what a principal may, by the policies in force.
            environment: whose tables are read.
            account: of AWS; empty where there is no Lake Formation.
            bucket: the lake's.
        """
        self._metadata, self._sts, self._rights = metadata, sts, rights
        self._environment, self._account, self._bucket = environment, account, bucket

    def create(self, call: Call) -> dict[str, Any]:
        """Credentials that read the tables of one of the caller's roles, and nothing else."""
        caller = call.request.authenticated
        role = self._role(caller, call.body.get("role"))
        if not self._account:
            raise Problem(HTTPStatus.NOT_FOUND, "this environment has no Lake Formation: use POST /v1/query")
        # By the role alone: what was granted to the person besides is read by POST /v1/query.
        own = self._rights(Principal(call.org, role, (), kind="user", id=caller.id, roles=(role,)))
        named = bi.tables(set(own) & caller.scopes)
        if not named:
            raise Problem(HTTPStatus.FORBIDDEN, f"the role {role} reads no tables")
        try:
            policy = bi.session_policy(
                self._environment, call.org, account=self._account, bucket=self._bucket, named=named
            )
        except bi.TooManyTablesError as error:
            raise Problem(HTTPStatus.CONFLICT, str(error)) from error
        audit.write(
            self._metadata,
            call.org,
            "sessions.create",
            caller.principal,
            {"role": role, "tables": [".".join(one) for one in named]},
            call.request.request_id,
        )
        given = self._assume(call.org, role, caller.id, policy)
        return {
            "accessKeyId": given["AccessKeyId"],
            "secretAccessKey": given["SecretAccessKey"],
            "sessionToken": given["SessionToken"],
            "expiresAt": clock.utc_text(given["Expiration"]),
            "workgroup": bi.workgroup(self._environment, call.org),
            "tables": [".".join(one) for one in named],
        }

    def _role(self, caller: Caller, chosen: str | None) -> str:
        if caller.kind != "user":
            raise Problem(HTTPStatus.FORBIDDEN, "only people have roles; a key reads by POST /v1/query")
        if chosen is None and len(caller.roles) == 1:
            return next(iter(caller.roles))
        if chosen is None:
            raise Problem(HTTPStatus.BAD_REQUEST, f"choose a role of {', '.join(sorted(caller.roles))}")
        if chosen not in caller.roles:
            raise Problem(HTTPStatus.FORBIDDEN, "this is no role of the caller")
        return chosen

    def _assume(self, org: str, role: str, user: str, policy: str) -> dict[str, Any]:
        name = bi.role_name(self._environment, org, role)
        try:
            answer: dict[str, Any] = self._sts.assume_role(
                RoleArn=f"arn:aws:iam::{self._account}:role/{name}",
                RoleSessionName=user,
                DurationSeconds=int(bi.LIFE.total_seconds()),
                Policy=policy,
            )["Credentials"]
        except ClientError as error:
            if error_code(error.response) == "AccessDenied":
                raise Problem(
                    HTTPStatus.NOT_FOUND, f"there is no IAM role {name}: docs/sign-in.md says who makes it"
                ) from error
            raise from_client_error(error, "assume role for BI") from error
        return answer
