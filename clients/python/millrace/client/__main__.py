"""`python -m millrace.client types`: writes the types of a platform's contracts to standard output."""

import argparse
import os
import sys
from typing import Any
from urllib.parse import quote

import orjson
import urllib3

from millrace.client.types import Schema, module


def main(arguments: list[str]) -> int:
    """Runs a command line; 0 if done, 1 if the platform refused, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m millrace.client", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    types = commands.add_parser("types", help="write a module with the types of all contracts")
    types.add_argument("--url", required=True, help="the API's address")
    types.add_argument("--key", default=os.environ.get("MILLRACE_API_KEY"), help="default: MILLRACE_API_KEY")
    given = parser.parse_args(arguments)
    if not given.key:
        parser.error("give a --key, or set MILLRACE_API_KEY")
    try:
        sys.stdout.write(module(given.url, _schemas(given.url.rstrip("/"), given.key)))
    except (OSError, urllib3.exceptions.HTTPError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _schemas(url: str, key: str) -> list[Schema]:
    pool = urllib3.PoolManager(headers={"authorization": f"Bearer {key}"})
    schemas: list[Schema] = []
    cursor: str | None = None
    while True:
        page = _get(
            pool, f"{url}/v1/schemas?limit=500" + (f"&cursor={quote(cursor, safe='')}" if cursor else "")
        )
        for item in page["items"]:
            document = _get(pool, f"{url}/v1/schemas/{item['eventType']}/{item['version']}?format=jsonschema")
            schemas.append(Schema(item["eventType"], item["version"], document))
        cursor = page["cursor"]
        if cursor is None:
            return schemas


def _get(pool: urllib3.PoolManager, url: str) -> Any:
    answer = pool.request("GET", url, timeout=30.0)
    if answer.status != 200:
        raise OSError(f"{url} answered {answer.status}: {answer.data.decode(errors='replace')[:300]}")
    return orjson.loads(answer.data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
