"""`millrace status`: the platform, its version and its stacks, and how far its data is behind."""

from datetime import UTC, datetime
from typing import Any

from cli.api import Api
from cli.options import Env, Json
from cli.output import out, print_json
from cli.target import find_target, stacks


def status(env: Env = None, as_json: Json = False) -> None:
    """Show which platform answers, its version, its stacks, and how far its data is behind."""
    from cli import counting, lag

    target = find_target(env)
    health: dict[str, Any] = Api(target, anonymous=True).ask("GET", "/v1/health")
    deployed = stacks(target)
    now = datetime.now(UTC)
    behind = lag.with_tables(target, lag.read(target, now))
    waits = counting.read(target, now)
    document = {
        "env": target.env,
        "apiUrl": target.api_url,
        "stacks": [stack["name"] for stack in deployed],
        "version": health.get("version"),
        "lag": behind.to_json(now),
        "counting": waits.to_json(),
    }
    if as_json:
        print_json(document)
        return
    out.print(f"Millrace {document['version']} ({target.env}) answers at {target.api_url}")
    for stack in deployed:
        out.print(f"  {stack['name']}  {stack['status']}")
    sentences = behind.sentences(now) or ["Everything that was accepted is in silver"]
    for sentence in (*sentences, *behind.of_tables(now), waits.tiles):
        out.print(sentence, markup=False)
