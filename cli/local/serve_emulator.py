"""Runs MiniStack in its own virtual environment, with patches. The rest of the CLI does not import this file.

Each entry of `PATCHES` is explained in docs/local.md.
"""

import hashlib
import os
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import apigateway, lambda_svc

from cli.local import durability

IDLE_SECONDS = 120.0
# Between two looks at streams that had nothing.
_PAUSE_SECONDS = 0.2
# A method that MiniStack does not answer by itself.
_ROUTED = "OPTIONS, routed"

_invoke = apigateway._invoke_lambda_proxy  # noqa: SLF001  there is no public place to patch it
_execute, _match = apigateway._handle_execute_in_scope, apigateway._match_route  # noqa: SLF001


class _Compressed(dict[str, Any]):
    """Headers of a compressed request: their content type says that the body is not text."""

    def get(self, name: str, default: Any = None) -> Any:
        return "application/octet-stream" if name == "content-type" else super().get(name, default)


async def _invoke_with_bytes(
    integration: Any, api_id: Any, stage: Any, path: Any, method: Any, headers: Any, *rest: Any, **more: Any
) -> Any:
    if headers.get("content-encoding", "identity").lower() != "identity":
        headers = _Compressed(headers)
    method = "OPTIONS" if method == _ROUTED else method
    return await _invoke(integration, api_id, stage, path, method, headers, *rest, **more)


def compressed_bodies() -> None:
    """Passes a compressed body to a function as base64.

    MiniStack decides by the media type alone and would decode gzip as text, which destroys it.
    """
    apigateway._invoke_lambda_proxy = _invoke_with_bytes  # noqa: SLF001


async def _execute_routed(api_id: Any, stage: Any, path: Any, method: Any, *rest: Any) -> Any:
    has_cors = (apigateway._apis.get(api_id) or {}).get("corsConfiguration")  # noqa: SLF001
    return await _execute(
        api_id, stage, path, _ROUTED if method == "OPTIONS" and not has_cors else method, *rest
    )


def routed_preflights() -> None:
    """Hands an OPTIONS request to its route where the API has no CORS configuration of its own, as ours has none.

    MiniStack answers each with 403, so no page's script could send to the open doors.
    """
    apigateway._handle_execute_in_scope = _execute_routed  # noqa: SLF001
    apigateway._match_route = lambda api_id, method, path: _match(  # noqa: SLF001
        api_id, "OPTIONS" if method == _ROUTED else method, path
    )


def durable_writes() -> None:
    """Answers no request before what it wrote is on disk, so that a killed platform continues where it was."""
    durability.install()


class _SharedLayers(zipfile.ZipFile):
    """A layer that is unpacked once; every other worker that has it gets a link, and no copy of the archive."""

    # Not `_lock`: each ZipFile has one of its own.
    _unpacking = threading.Lock()

    def namelist(self) -> list[str]:
        # MiniStack asks for it to look for members outside of the folder, file by file; `zipfile` itself keeps them inside.
        return []

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        folder = Path(path)
        if not folder.name.startswith("layer_"):
            super().extractall(path, members or super().namelist(), pwd)
            return
        content = repr([(one.filename, one.CRC) for one in self.infolist()])
        shared = Path(tempfile.gettempdir()) / "layers" / hashlib.sha256(content.encode()).hexdigest()
        with self._unpacking:
            if not shared.exists():
                fresh = shared.with_suffix(".fresh")
                super().extractall(fresh, super().namelist())
                fresh.replace(shared)
        folder.rmdir()
        folder.symlink_to(shared)
        Path(str(self.filename)).unlink()


def shared_layers() -> None:
    """Unpacks a layer once, and not for each worker; what Python compiles of it serves all of them."""
    errors = {"BadZipFile": zipfile.BadZipFile, "LargeFileError": zipfile.LargeZipFile}
    lambda_runtime.zipfile = SimpleNamespace(ZipFile=_SharedLayers, **errors)


def _reap() -> None:
    with lambda_runtime._lock:  # noqa: SLF001
        idle = [
            worker
            for workers in lambda_runtime._workers.values()  # noqa: SLF001
            for worker in workers
            if not worker.in_use and time.time() - worker.last_used > IDLE_SECONDS
        ]
        for workers in lambda_runtime._workers.values():  # noqa: SLF001
            workers[:] = [worker for worker in workers if worker not in idle]
    lambda_runtime.kill_workers(idle)


def idle_workers_end() -> None:
    """Ends every worker that has had nothing to do for some minutes, as Lambda does. A cold start takes over a second of a processor.

    MiniStack keeps one of each function for ever: some thirty processes of 50 to 150 MB.
    """
    lambda_svc.reap_idle_workers = _reap


def table_streams_by_themselves() -> None:
    """Reads the streams of tables in a thread of their own, as they are read on AWS.

    MiniStack has one thread that calls the functions of all streams in turn: under load what counts events waited for what scores them.
    """
    poll, others = lambda_svc._poll_dynamodb_streams, lambda_svc._poll_loop  # noqa: SLF001

    def of_tables() -> None:
        while True:
            try:
                found = poll()
            except Exception:  # noqa: BLE001  the next batch is tried whatever was wrong with this one
                lambda_svc.logger.exception("streams of tables")
                found = False
            if not found:
                time.sleep(_PAUSE_SECONDS)

    def both() -> None:
        threading.Thread(target=of_tables, daemon=True).start()
        others()

    lambda_svc._poll_dynamodb_streams, lambda_svc._poll_loop = lambda: False, both  # noqa: SLF001


PATCHES: tuple[Callable[[], None], ...] = (
    compressed_bodies,
    routed_preflights,
    shared_layers,
    idle_workers_end,
    table_streams_by_themselves,
    durable_writes,
)

if __name__ == "__main__":
    # It is for this process; the workers that run functions have packages of their own.
    os.environ.pop("PYTHONPATH", None)
    for patch in PATCHES:
        patch()
    sys.exit(app.main())
