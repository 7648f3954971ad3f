"""What each version of a definition means, pinned beside the definitions: a changed meaning needs a new version. Build only.

`SHA256SUMS` has a line for each version, its digest and `name@version`. `millrace contracts build` pins what is new.
"""

import hashlib
import json
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

FILE = "SHA256SUMS"
# Folders of `schemas/` whose definitions are pinned.
KINDS = ("aggregates", "features", "patterns", "sigma")
# Name, version and digest of a definition.
Pinned = tuple[str, str, str]


def digest(meaning: Any) -> str:
    """Of what decides the values of a definition, as JSON has it."""
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def read(folder: Path) -> dict[str, str]:
    """What is pinned: `customer_orders@1` → the digest of its definition."""
    path = folder / FILE
    lines = path.read_text().splitlines() if path.exists() else []
    return {name: found for found, name in (line.split() for line in lines if line.strip())}


def read_all(schemas_dir: Path) -> dict[str, str]:
    """The same of every kind: `features/customer_orders@1` → the digest of its definition."""
    return {f"{kind}/{name}": found for kind in KINDS for name, found in read(schemas_dir / kind).items()}


def problem(definition: Pinned, folder: Path) -> str | None:
    """Why a definition may not have its version, as a sentence."""
    name, version, found = definition
    pinned = read(folder).get(f"{name}@{version}")
    if pinned is None:
        return f"{name}@{version} is not pinned: run millrace contracts build"
    if pinned != found:
        return f"the definition has changed since {name}@{version} was pinned; give it a new version"
    return None


def pin(definitions: Iterable[Pinned], folder: Path, kept: Container[str] | None = None) -> list[str]:
    """Pins the versions that are new or still being written, and returns their names.

    Args:
        definitions: all that the folder has.
        folder: of the pins.
        kept: versions whose pins stay, such as `features/customer_orders@1`; by default all that are pinned.
    """
    known = read(folder)
    added = {
        name: found
        for name, found in ((f"{name}@{version}", found) for name, version, found in definitions)
        if name not in known
        or (kept is not None and f"{folder.name}/{name}" not in kept and known[name] != found)
    }
    lines = [f"{found}  {name}\n" for name, found in sorted({**known, **added}.items())]
    (folder / FILE).write_text("".join(lines))
    return [*added]
