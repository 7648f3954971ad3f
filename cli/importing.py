"""Files sent through the API: put at the address that it gives, and their imports awaited."""

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import urllib3

from cli.api import Api
from cli.errors import RefusedError, UsageError

ENDINGS = (".csv", ".tsv", ".txt", ".json", ".ndjson", ".jsonl", ".parquet")
PAUSE_SECONDS = 1.0
# Between the end of the upload and the notice of it.
NOTICE_SECONDS = 120.0
# As long as the machine goes on.
LONGEST_SECONDS = 86_400.0
UPLOAD_TIMEOUT = urllib3.Timeout(connect=5.0, read=600.0)


def files_of(path: Path) -> list[Path]:
    """The file, or those of a folder that are read here, in the order of their names.

    Raises:
        UsageError: there is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UsageError(f"{path} is no file and no folder")
    found = sorted(one for one in path.rglob("*") if one.is_file() and _is_read(one.name))
    if not found:
        raise UsageError(f"{path} holds no file that ends in {', '.join(ENDINGS)}, or these with .gz")
    return found


def _is_read(name: str) -> bool:
    return not name.startswith(".") and name.lower().removesuffix(".gz").endswith(ENDINGS)


def upload(api: Api, file: Path, event_type: str, options: dict[str, Any]) -> str:
    """Sends a file; the id of its import.

    Raises:
        RefusedError: the platform gives no address, or the address does not take the file.
    """
    asked = orjson.dumps({"eventType": event_type, "name": file.name, "options": options})
    begun = api.ask("POST", "/v1/imports", body=asked)
    address = begun["upload"]
    headers = {**address["headers"], "content-length": str(file.stat().st_size)}
    try:
        with file.open("rb") as body:
            answer = urllib3.request(
                address["method"],
                address["url"],
                body=body,
                headers=headers,
                timeout=UPLOAD_TIMEOUT,
                retries=False,
            )
    except urllib3.exceptions.HTTPError as error:
        raise RefusedError(f"{file} could not be sent: {type(error).__name__}") from error
    if answer.status >= 300:
        raise RefusedError(f"{file} could not be sent: the store answered {answer.status}")
    import_id: str = begun["importId"]
    return import_id


def awaited(
    api: Api,
    import_id: str,
    seen: Callable[[int], None] = lambda _: None,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """The report of an import once it has ended; `seen` is told how many rows were judged.

    Raises:
        RefusedError: it is not begun, or does not end.
    """
    waited = 0.0
    while True:
        answer = api.call("GET", f"/v1/imports/{import_id}")
        if answer.status == 404:
            if waited >= NOTICE_SECONDS:
                raise RefusedError(f"the import {import_id} was not begun after {NOTICE_SECONDS:.0f} s")
        elif answer.status in (429, 502, 503, 504):
            pass
        elif answer.status != 200 or not isinstance(answer.document, dict):
            raise api.refusal(answer)
        else:
            seen(answer.document["rows"])
            if answer.document["state"] != "running":
                return answer.document
        if waited >= LONGEST_SECONDS:
            raise RefusedError(f"the import {import_id} has not ended after a day")
        sleep(PAUSE_SECONDS)
        waited += PAUSE_SECONDS


def refused_rows(api: Api, import_id: str, to: Path) -> int:
    """Writes the refused rows of an import into a file; returns its bytes."""
    written, cursor = 0, None
    with to.open("wb") as file:
        while True:
            page = api.ask("GET", f"/v1/imports/{import_id}/refused", query={"cursor": cursor})
            written += file.write(base64.b64decode(page["content"]))
            cursor = page["cursor"]
            if cursor is None:
                return written
