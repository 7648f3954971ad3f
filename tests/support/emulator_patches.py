"""Run by the emulator's Python: what the patches do to workers and their layers. Prints what it saw, as JSON."""

import json
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from cli.local import serve_emulator


def workers() -> list[str]:
    """Which of four workers are left after a look for idle ones, and which was ended."""
    ended: list[str] = []
    long_ago, now = time.time() - 1000, time.time()
    lambda_runtime._workers["f"] = [
        SimpleNamespace(name="idle", in_use=False, last_used=long_ago),
        SimpleNamespace(name="busy", in_use=True, last_used=long_ago),
        SimpleNamespace(name="warm", in_use=False, last_used=now),
    ]
    lambda_runtime._workers["g"] = [SimpleNamespace(name="alone", in_use=False, last_used=long_ago)]
    lambda_runtime.kill_workers = lambda some: ended.extend(worker.name for worker in some)
    lambda_svc.reap_idle_workers()
    left = [worker.name for some in lambda_runtime._workers.values() for worker in some]
    return [*left, "ended:", *sorted(ended)]


def layers(folder: Path) -> list[object]:
    """Two workers that unpack one layer: what each finds, whether it is a link, and whether a copy of the archive is left."""
    seen: list[object] = []
    for worker in ("a", "b"):
        unpacked, archive = folder / worker / "layer_0", folder / worker / "layer_0.zip"
        unpacked.mkdir(parents=True)
        with zipfile.ZipFile(archive, "w") as made:
            made.writestr("python/module.py", "X = 1")
        with lambda_runtime.zipfile.ZipFile(archive) as opened:
            opened.extractall(unpacked)
        seen += [(unpacked / "python/module.py").read_text(), unpacked.is_symlink(), archive.exists()]
    code = folder / "code"
    with zipfile.ZipFile(folder / "code.zip", "w") as made:
        made.writestr("handler.py", "Y = 2")
    with lambda_runtime.zipfile.ZipFile(folder / "code.zip") as opened:
        opened.extractall(code)
    return [*seen, (code / "handler.py").read_text(), code.is_symlink()]


if __name__ == "__main__":
    serve_emulator.shared_layers()
    serve_emulator.idle_workers_end()
    print(json.dumps({"workers": workers(), "layers": layers(Path(sys.argv[1]))}))  # noqa: T201  read by the test
