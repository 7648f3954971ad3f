"""An emulator of its own for a run outside of pytest."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.local import emulator as ministack
from cli.places import checkout
from millrace.compiler.bundle import assemble
from tests.support import emulator

ROOT = Path(__file__).parents[2]


@contextmanager
def session() -> Iterator[str]:
    """The endpoint, with the contracts compiled and this process pointed at it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(AWS_EC2_METADATA_DISABLED="true", POWERTOOLS_METRICS_NAMESPACE="Millrace")
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        assemble(ROOT / "schemas", ROOT / "warehouse", bundle)
        os.environ["MILLRACE_BUNDLE"] = str(bundle)
        ministack.install(checkout())
        places = emulator.OwnPlaces(checkout().root, Path(folder))
        started = ministack.start(places, emulator.free_port())
        endpoint = ministack.endpoint(started.port)
        try:
            with emulator.pointed_at(endpoint):
                yield endpoint
        finally:
            ministack.stop(places, started)
