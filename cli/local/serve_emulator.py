"""Runs MiniStack in its own virtual environment, with patches. The rest of the CLI does not import this file.

Each entry of `PATCHES` is explained in docs/local.md.
"""

import hashlib
import json
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import apigateway, dynamodb, lambda_svc

UNREAD_PATH = "/_millrace/unread"

_invoke = apigateway._invoke_lambda_proxy  # noqa: SLF001  there is no public place to patch it
_serve = app.app


class _Compressed(dict[str, Any]):
    """Headers of a compressed request: their content type says that the body is not text."""

    def get(self, name: str, default: Any = None) -> Any:
        return "application/octet-stream" if name == "content-type" else super().get(name, default)


async def _invoke_with_bytes(
    integration: Any, api_id: Any, stage: Any, path: Any, method: Any, headers: Any, *rest: Any, **more: Any
) -> Any:
    if headers.get("content-encoding", "identity").lower() != "identity":
        headers = _Compressed(headers)
    return await _invoke(integration, api_id, stage, path, method, headers, *rest, **more)


def compressed_bodies() -> None:
    """Passes a compressed body to a function as base64.

    MiniStack decides by the media type alone and would decode gzip as text, which destroys it.
    """
    apigateway._invoke_lambda_proxy = _invoke_with_bytes  # noqa: SLF001


def _unread() -> int:
    """Counts the records of table streams that an enabled consumer has not handled."""
    count = 0
    for account, region, mapping in lambda_svc._iter_all_esms():  # noqa: SLF001
        kind, _, table = str(mapping.get("EventSourceArn", "")).rpartition(":table/")
        if not kind.startswith("arn:aws:dynamodb:") or not mapping.get("Enabled", True):
            continue
        where = {"account_id": account, "region": region}
        name = table.partition("/")[0]
        first = dynamodb.stream_start_position(name, **where)
        end = dynamodb.stream_end_position(name, **where)
        latest = mapping.get("StartingPosition", "LATEST") == "LATEST"
        positions = lambda_svc._dynamodb_stream_positions._data  # noqa: SLF001
        place = positions.get((account, region, mapping["UUID"]), end if latest else first)
        count += end - max(place, first)
    return count


async def _serve_unread(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http" or scope["path"] != UNREAD_PATH:
        await _serve(scope, receive, send)
        return
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"unread": _unread()}).encode()})


def unread_records() -> None:
    """Serves the number of table stream records that wait for a consumer: a stop loses them."""
    app.app = _serve_unread


class _SharedLayers(zipfile.ZipFile):
    """A layer that is unpacked once; every other worker that has it gets a link."""

    _lock = threading.Lock()

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        folder = Path(path)
        if not folder.name.startswith("layer_"):
            super().extractall(path, members, pwd)
            return
        content = repr([(one.filename, one.CRC) for one in self.infolist()])
        shared = Path(tempfile.gettempdir()) / "layers" / hashlib.sha256(content.encode()).hexdigest()
        with self._lock:
            if not shared.exists():
                fresh = shared.with_suffix(".fresh")
                super().extractall(fresh)
                fresh.replace(shared)
        folder.rmdir()
        folder.symlink_to(shared)


def shared_layers() -> None:
    """Unpacks a layer once, and not for each worker; what Python compiles of it serves all of them."""
    errors = {"BadZipFile": zipfile.BadZipFile, "LargeFileError": zipfile.LargeZipFile}
    lambda_runtime.zipfile = SimpleNamespace(ZipFile=_SharedLayers, **errors)


PATCHES: tuple[Callable[[], None], ...] = (compressed_bodies, unread_records, shared_layers)

if __name__ == "__main__":
    for patch in PATCHES:
        patch()
    sys.exit(app.main())
