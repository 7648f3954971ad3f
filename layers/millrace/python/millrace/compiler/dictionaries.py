"""Zstandard dictionaries of the stored envelopes, one series per contract, kept for ever.

A dictionary is raw content: the golden samples as stored envelopes. Rows name the dictionary that packed them, so a
file under `schemas/dictionaries` is never changed or removed; the highest number of a contract packs new rows.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.privacy import identities, places, stored_form

FOLDER = "dictionaries"
SUFFIX = ".zdict"
# Every dictionary ever made, in the form of sha256sum.
SUMS = "SHA256SUMS"
# Beyond this a dictionary costs more to load on a cold start than it saves: rows are a few hundred bytes.
MAX_BYTES = 16 * 1024
_TYPE = re.compile(rb'"eventType":"([^"]+)"')


def numbers(name: str, schemas_dir: Path) -> list[int]:
    """The numbers of a contract's dictionaries, ascending; `name` is `order.created.v1`."""
    pattern = re.compile(re.escape(name) + r"\.([1-9][0-9]*)" + re.escape(SUFFIX))
    matches = (pattern.fullmatch(path.name) for path in (schemas_dir / FOLDER).glob(f"{name}.*{SUFFIX}"))
    return sorted(int(match[1]) for match in matches if match)


def current(name: str, schemas_dir: Path) -> str:
    """The dictionary for new rows, such as `order.created.v1.1`; empty if the contract has none yet.

    A contract without one works; its rows are only larger.
    """
    made = numbers(name, schemas_dir)
    return f"{name}.{made[-1]}" if made else ""


def stored_envelope(event: dict[str, Any], contract: Contract) -> bytes:
    """An event in the form and order of fields that intake stores."""
    first = ("eventId", "eventType", "eventSource", "timestamp", "version", "data")
    rest = ("correlationId", "userId", "sessionId", "environment", "region")
    platform = {
        "orgId": "org_acme",
        "receivedAt": "2026-11-21T09:30:00.000Z",
        "requestId": "00000000-0000-4000-8000-000000000000",
        "category": contract.category,
        "contract": contract.ref,
        "day": "2026-11-21",
    }
    envelope = {key: event[key] for key in (*first, *rest) if key in event}
    return orjson.dumps(_protected({**envelope, "platform": platform}, contract))


def _protected(envelope: dict[str, Any], contract: Contract) -> Any:
    """An envelope as it is behind intake, with a person's number, tokens and an empty blob."""
    number = str(identities.LEAST)
    stored = identities.of(contract).rewritten(envelope, lambda _: number)
    masked = places.of(contract).rewritten(
        stored, lambda _, kind, value: stored_form.masked(kind, value, b"")
    )
    if masked is stored:
        return stored
    return {
        **masked,
        "platform": {**masked["platform"], stored_form.BLOCK: {"subject": int(number), "data": ""}},
    }


def content(contract: Contract, samples: list[dict[str, Any]]) -> bytes:
    """The bytes of a dictionary. zstd finds what stands at the end cheapest, so the first sample comes last."""
    parts = [stored_envelope(sample, contract) for sample in samples]
    return b"".join(reversed(parts))[-MAX_BYTES:]


def problems(contracts: Iterable[Contract], schemas_dir: Path) -> Iterator[ContractProblem]:
    """Dictionaries that were made from samples of another type: they pack nothing."""
    for contract in contracts:
        if contract.dictionary:
            name = f"{FOLDER}/{contract.dictionary}{SUFFIX}"
            yield from _of_type(contract, name, _TYPE.findall((schemas_dir / name).read_bytes()))


def _of_type(contract: Contract, name: str, types: Iterable[bytes]) -> Iterator[ContractProblem]:
    if others := sorted({one.decode() for one in types} - {contract.event_type}):
        sentence = (
            f"made from samples of {', '.join(others)}, not of {contract.event_type}; correct the samples and run: "
            f"millrace contracts dictionaries --renew {contract.event_type}"
        )
        yield ContractProblem(name, "", sentence)


def new_dictionary(contract: Contract, samples: list[dict[str, Any]], schemas_dir: Path) -> Path | None:
    """Writes the contract's next dictionary from its golden samples.

    Returns:
        The new file, or None if the current dictionary has the same content.

    Raises:
        ContractError: the samples are of another type.
    """
    types = [str(sample.get("eventType")).encode() for sample in samples]
    if wrong := [*_of_type(contract, f"the dictionary of {contract.name}", types)]:
        raise ContractError(wrong)
    made = numbers(contract.name, schemas_dir)
    folder = schemas_dir / FOLDER
    data = content(contract, samples)
    if made and (folder / f"{contract.name}.{made[-1]}{SUFFIX}").read_bytes() == data:
        return None
    folder.mkdir(exist_ok=True)
    path = folder / f"{contract.name}.{(made[-1] if made else 0) + 1}{SUFFIX}"
    with path.open("xb") as file:
        file.write(data)
    with (folder / SUMS).open("a", encoding="utf-8") as file:
        file.write(f"{hashlib.sha256(data).hexdigest()}  {path.name}\n")
    return path
