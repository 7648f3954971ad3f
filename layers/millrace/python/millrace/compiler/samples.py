"""The samples beside a contract: golden events, and broken ones as patches of the first golden. Build and tests."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.pointers import parse, write
from millrace.contracts.validator import Validator


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken event and the errors it must have, as (pointer, code)."""

    name: str
    event: dict[str, Any]
    errors: tuple[tuple[str, str], ...]


def golden(contract_file: Path) -> list[dict[str, Any]]:
    """The golden events of a contract's file, `samples/v<major>.golden.json` beside it.

    Raises:
        ContractError: there are none.
    """
    events, sentence = _listed(path := _beside(contract_file, "golden"))
    if sentence:
        raise ContractError([ContractProblem(_name(path), "", sentence)])
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


def problems(contracts: Iterable[tuple[Contract, Path]]) -> Iterator[ContractProblem]:
    """Samples that their contract does not judge as they say: golden ones refused, broken ones taken.

    Args:
        contracts: each with its file.
    """
    for contract, file in contracts:
        path = _beside(file, "golden")
        events, sentence = _listed(path)
        if sentence:
            yield ContractProblem(_name(path), "", sentence)
            continue
        misfits = [*_golden_problems(contract, events)]
        yield from (ContractProblem(_name(path), *one) for one in misfits)
        path = _beside(file, "broken")
        if not misfits and path.exists():
            cases, sentence = _listed(path)
            wrong = [("", sentence)] if sentence else _broken_problems(contract, events[0], cases)
            yield from (ContractProblem(_name(path), *one) for one in wrong)


def _name(path: Path) -> str:
    """From `schemas/` on."""
    return "/".join(path.parts[-5:])


def _listed(path: Path) -> tuple[list[Any], str]:
    """The objects of a file, and in a sentence why there are none."""
    try:
        listed = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return [], "is missing: it holds a list of at least one event that the contract takes"
    except orjson.JSONDecodeError as error:
        at = f' in "<unicode string>", line {error.lineno}, column {error.colno}'
        return [], f"this is not JSON, {error.msg.partition(':')[0]}{at}"
    if not isinstance(listed, list) or not listed or not all(isinstance(one, dict) for one in listed):
        return [], "samples are a list of at least one object"
    return listed, ""


def _golden_problems(contract: Contract, events: list[Any]) -> Iterator[tuple[str, str]]:
    validator = Validator(contract)
    for index, event in enumerate(events):
        if event.get("eventType") != contract.event_type:
            yield write([index, "eventType"]), f"samples of this contract are of type {contract.event_type}"
            continue
        for error in validator.errors(event):
            sentence = f"{error.message}, by {contract.name}; correct sample {index}, counted from 0"
            yield f"/{index}{error.pointer}", sentence


def _broken_problems(contract: Contract, first: Any, cases: list[Any]) -> Iterator[tuple[str, str]]:
    validator = Validator(contract)
    for index, case in enumerate(cases):
        try:
            event = patched(first, case["patch"])
            wanted = [(error["pointer"], error["code"]) for error in case["errors"]]
        except (LookupError, TypeError, ValueError) as error:
            sentence = f"its patch does not fit the first golden sample: {type(error).__name__} {error}"
            yield f"/{index}", sentence
            continue
        errors = [(error.pointer, error.code) for error in validator.errors(event)]
        if errors != wanted:
            said = ", ".join(f"{code} at {pointer}" for pointer, code in errors) or "nothing wrong"
            yield f"/{index}/errors", f"the contract finds {said}"


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
