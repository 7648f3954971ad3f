"""The compiled bundle: what the build made of `schemas/` and `warehouse/`. Only this module knows where it lies.

`millrace.compiler.bundle` writes the files that are named here; the package that owns a file's content reads it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import orjson

from millrace.core.errors import NotDeployedError

CONTRACTS = "contracts.json"
TYPE_NAMES = "type_names.json"
PURPOSES = "purposes.json"
TABLES = "tables.json"
PUBLISHED = "published.json"
# The sources of the contracts, packed, for the template of a stack.
DEPLOYED = "deployed"
WAREHOUSE = "warehouse.json"
FRAUD_RULES = "fraud_rules.json"
SIGMA = "sigma.json"
FEATURES = "features.json"
AGGREGATES = "aggregates.json"
PATTERNS = "patterns.json"
ANOMALIES = "anomalies.json"
ANONYMISED = "anonymised.json"
POLICIES = "policies.json"
SOURCES = "sources.json"
WEBHOOKS = "webhooks.json"
OPENAPI = "openapi.json"
ROUTES = "routes.json"
DICTIONARIES = "dictionaries"

_LAYER = Path(__file__).parent.parent / "bundle"
_T = TypeVar("_T")
_loaded: dict[tuple[object, Path], object] = {}


def load(read: Callable[[Path], _T], folder: Path | None = None) -> _T:
    """What `read` makes of the bundle in a folder, once a process.

    Args:
        read: makes an object of the bundle's files.
        folder: of the bundle; without it what MILLRACE_BUNDLE names, else the one in the layer.
    """
    chosen = folder or Path(os.environ.get("MILLRACE_BUNDLE") or _LAYER)
    if (read, chosen) not in _loaded:
        _loaded[read, chosen] = read(chosen)
    return cast("_T", _loaded[read, chosen])


def document(folder: Path, name: str) -> Any:
    """A JSON file of the bundle."""
    return orjson.loads((folder / name).read_bytes())


def export(form: str, event_type: str, version: str) -> str:
    """The file of a version of a contract in a form: `jsonschema`, `avro`, `protobuf`, or `odcs`, as its author wrote it."""
    return f"exports/{form}/{event_type}/{version}"


def dictionary(folder: Path, name: str) -> bytes:
    """A compression dictionary.

    Raises:
        NotDeployedError: the bundle has none of that name.
    """
    file = f"{name}.zdict"
    # By its listing, because a name comes from a row and must not lead out of the folder.
    if file not in {path.name for path in (folder / DICTIONARIES).iterdir()}:
        raise NotDeployedError(f"there is no dictionary {name}")
    return (folder / DICTIONARIES / file).read_bytes()
