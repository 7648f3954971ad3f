"""Run by the emulator's Python: another answer leaves while a request to the catalog is at work. Prints what a kill then leaves."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from ministack.services import glue

from cli.local import durability

PLACE = ("000000000000", "us-east-1", "lake/pointer")
UPDATE = {"type": "http", "path": "/", "headers": [(b"x-amz-target", b"AWSGlue.UpdateTable")]}
OTHER = {"type": "http", "path": "/", "headers": [(b"x-amz-target", b"AWSGlue.GetTable")]}
START = {"type": "http.response.start", "status": 200, "headers": []}


async def two_requests(platform: durability.Durability) -> None:
    """The second one comes and is answered before the first one has changed anything."""

    async def take(_: Any) -> None:
        pass

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope is UPDATE:
            await platform.serve(OTHER, receive, take)
            glue._tables.set_scoped(*PLACE, {"Parameters": {"metadata_location": "second"}})
        await send(START)

    durability._serve = serve
    await platform.serve(UPDATE, None, take)


def main(folder: Path) -> None:
    """Both requests, then what the journal has of the table."""
    glue._tables.set_scoped(*PLACE, {"Parameters": {"metadata_location": "first"}})
    platform = durability.Durability(folder)
    platform.journal.begin_generation()
    platform._changes()
    asyncio.run(two_requests(platform))
    kept = [entry for commit in platform.journal.read() for entry in commit.get("entries", ())]
    print(json.dumps(kept))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
