"""The samples beside a contract: golden events, and broken ones as patches of the first golden. Build and tests."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from millrace.contracts.pointers import parse


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken event and the errors it must have, as (pointer, code)."""

    name: str
    event: dict[str, Any]
    errors: tuple[tuple[str, str], ...]


def golden(contract_file: Path) -> list[dict[str, Any]]:
    """The golden events of a contract's file, `samples/v<major>.golden.json` beside it."""
    events: list[dict[str, Any]] = orjson.loads(_beside(contract_file, "golden").read_bytes())
    return events


def broken(contract_file: Path) -> list[Broken]:
    """The broken events, `samples/v<major>.broken.json`: `[{"name", "patch", "errors"}]`."""
    first = golden(contract_file)[0]
    return [
        Broken(
            name=entry["name"],
            event=patched(first, entry["patch"]),
            errors=tuple((error["pointer"], error["code"]) for error in entry["errors"]),
        )
        for entry in orjson.loads(_beside(contract_file, "broken").read_bytes())
    ]


def _beside(contract_file: Path, kind: str) -> Path:
    return contract_file.parent / "samples" / f"{contract_file.stem}.{kind}.json"


def patched(event: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    """A copy after the three operations of JSON Patch (RFC 6902) that samples use: add, remove, replace."""
    result = copy.deepcopy(event)
    for step in patch:
        *above, last = parse(step["path"])
        target: Any = result
        for part in above:
            target = target[int(part)] if isinstance(target, list) else target[part]
        key: Any = int(last) if isinstance(target, list) else last
        if step["op"] == "remove":
            del target[key]
        elif step["op"] == "add" and isinstance(target, list):
            target.insert(key, step["value"])
        elif step["op"] in ("add", "replace"):
            if step["op"] == "replace" and key not in target and not isinstance(target, list):
                raise KeyError(step["path"])
            target[key] = step["value"]
        else:
            raise ValueError(f"samples are patched by add, remove and replace, not {step['op']}")
    return result
