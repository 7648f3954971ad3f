"""`millrace status`: the platform, its version and its stacks."""

from typing import Any

from cli.api import Api
from cli.options import Env, Json
from cli.output import out, print_json
from cli.target import find_target, stacks


def status(env: Env = None, as_json: Json = False) -> None:
    """Show which platform answers, its version and its stacks."""
    target = find_target(env)
    health: dict[str, Any] = Api(target, anonymous=True).ask("GET", "/v1/health")
    deployed = stacks(target)
    document = {
        "env": target.env,
        "apiUrl": target.api_url,
        "stacks": [stack["name"] for stack in deployed],
        "version": health.get("version"),
    }
    if as_json:
        print_json(document)
        return
    out.print(f"Millrace {document['version']} ({target.env}) answers at {target.api_url}")
    for stack in deployed:
        out.print(f"  {stack['name']}  {stack['status']}")
