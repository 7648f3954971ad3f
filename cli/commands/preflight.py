"""`millrace preflight`: whether an environment can be deployed to the AWS account of these credentials."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import RefusedError, UsageError
from cli.options import Json
from cli.output import err, out, print_json, table


def preflight(
    env: Annotated[str, typer.Option("--env", help="dev, staging or prod.")] = "dev",
    assembly: Annotated[
        Path | None, typer.Option("--assembly", help="What `cdk synth` wrote: its changes are checked, too.")
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="On a terminal, ask before the deploy begins.")] = False,
    as_json: Json = False,
) -> None:
    """Check an AWS account before a deploy: bootstrap, quotas, contracts, and changes that CloudFormation refuses."""
    from functools import cache

    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from cli import account, gate
    from cli.places import checkout
    from stacks.environment import environment_named

    if env not in ("dev", "staging", "prod"):
        raise UsageError(f"--env is dev, staging or prod, not {env}")
    session = boto3.Session()
    if session.region_name is None:
        raise UsageError("there is no region: set AWS_REGION, or one in your profile")
    client = cache(session.client)
    checks = dict(account.Account(client, environment_named(env)).checks())
    checks["contracts"] = lambda: gate.finding(client("cloudformation"), env, checkout().root / "schemas")
    if assembly is not None:
        checks["changes"] = lambda: account.changes(client, assembly)
    results = []
    try:
        identity = client("sts").get_caller_identity()
        with err.status("checking …"):
            results = [(name, *check()) for name, check in checks.items()]
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(f"AWS did not answer the checks: {error}") from error
    where = f"{identity['Account']}, {session.region_name}, as {identity['Arn']}"
    failed = [name for name, status, _ in results if status == "fail"]
    if as_json:
        print_json(
            {
                "env": env,
                "account": identity["Account"],
                "region": session.region_name,
                "checks": [
                    {"check": name, "status": status, "detail": text} for name, status, text in results
                ],
            }
        )
    else:
        shown = table("check", "status", "", title=f"{env} in {where}")
        for row in results:
            shown.add_row(*row)
        out.print(shown)
    if failed:
        raise RefusedError(f"{len(failed)} of {len(results)} checks failed: {', '.join(failed)}")
    if ask and sys.stdin.isatty() and not typer.confirm(f"Deploy {env} to {identity['Account']}?"):
        raise RefusedError("nothing was deployed")
