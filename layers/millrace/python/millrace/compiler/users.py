"""The custom properties `users` and `notUsers`: which further fields hold ids of users, and which only look so. Build only."""

import re
from collections.abc import Iterator
from typing import Any

from millrace.contracts import columns, conditions
from millrace.contracts.column_types import snake
from millrace.contracts.contract import PROTECTED, Contract
from millrace.contracts.fields import fields
from millrace.contracts.pointers import parse
from millrace.contracts.schema import leaves, types
from millrace.contracts.stored_form import user_pointers

FORM = (
    "a list of pointers to users' ids, such as /data/payload/previousId, or {pointer, where}: where is a list of conditions "
    "on other fields under which a user's id stands there"
)
FORM_OF_NOT = "a list of pointers to fields that are called like users' ids and hold none"
# Texts and integers, as a number takes the place of either.
_NAMING = frozenset({"string", "integer"})
_PERSON = (
    "user|uid|member|customer|client|buyer|seller|creator|author|owner|person|employee|visitor|anonymous|actor|reporter|"
    "reviewer|recipient|sender|previous"
)
# Names, in snake case, that say that a person's id stands there; of a list as of a single field.
_LIKE_A_USER = re.compile(rf"(.*_)?(({_PERSON})_?ids?|users?|uid|[a-z]+ed_by)")


def read(value: Any) -> list[dict[str, Any]]:
    """The value of `users`: `{pointer, where}` each.

    Raises:
        ValueError: it is not of its form.
    """
    return [_read(one) for one in (value if isinstance(value, list) else [value])]


def _read(one: Any) -> dict[str, Any]:
    if isinstance(one, str):
        return {"pointer": one, "where": []}
    if not isinstance(one, dict) or one.keys() != {"pointer", "where"} or not isinstance(one["pointer"], str):
        raise ValueError(f"users is {FORM}")
    if not isinstance(one["where"], list) or not one["where"]:
        raise ValueError(
            "users: where is a list of at least one condition; without any, write the pointer alone"
        )
    return {"pointer": one["pointer"], "where": one["where"]}


def read_not(value: Any) -> list[str]:
    """The value of `notUsers`.

    Raises:
        ValueError: it is not of its form.
    """
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"notUsers is {FORM_OF_NOT}")
    return value


def problems(contract: Contract) -> Iterator[tuple[str, int, str]]:
    """What contradicts the contract's fields: the property, the place in its list, and a sentence."""
    known = dict(leaves(contract.data_schema, "/data"))
    seen: set[str] = set()
    for at, one in enumerate(contract.users):
        pointer = one["pointer"]
        sentence = _problem(pointer, contract, known)
        if sentence is None and pointer in seen:
            sentence = f"{pointer} stands there twice; join its conditions with any"
        if sentence is not None:
            yield "users", at, f"users: {sentence}"
        else:
            yield from (("users", at, f"users: {pointer}: {wrong}") for wrong in _wrong_where(one, contract))
        seen.add(pointer)
    for at, pointer in enumerate(contract.not_users):
        if pointer not in known:
            yield "notUsers", at, f"notUsers: no field is {pointer}"
        elif pointer in user_pointers(contract):
            yield "notUsers", at, f"notUsers: {pointer} is a user's id by another property; leave it out here"


def _problem(pointer: str, contract: Contract, known: dict[str, dict[str, Any]]) -> str | None:
    if contract.derived:
        return "the platform names people by their numbers itself in what it makes; leave the property out"
    if "*" in pointer:
        return f"{pointer} is in a list, and numbers take the place of single ids; give the field a class that protects it"
    if pointer not in known:
        return f"no field is {pointer}"
    if not _NAMING & types(known[pointer]):
        return f"{pointer} is neither a text nor an integer"
    if pointer in (contract.subject, contract.user_id_pointer):
        return f"{pointer} is the person that the event is about already, by subject or userId; leave it out"
    if (name := contract.classification.get(pointer)) in PROTECTED:
        return f"{pointer} is {name}, so a token takes its place already; leave it out, or its class"
    return None


def _wrong_where(one: dict[str, Any], contract: Contract) -> Iterator[str]:
    """A condition is asked of what was sent and of what is stored, so nothing that it reads may differ between them."""
    if not one["where"]:
        return
    of_data = {
        column.name: column.pointer
        for column in columns.columns(contract)
        if column.pointer is not None and column.pointer.startswith("/data/")
    }
    readable = {name: field for name, field in fields(contract).items() if name in of_data}
    wrong = [sentence for _, sentence in conditions.problems(one["where"], readable, "")]
    if wrong:
        yield from wrong
        return
    masked = {pointer for rule in contract.consent for pointer in rule["fields"]}
    users = user_pointers(contract)
    for name in dict.fromkeys(conditions.names(one["where"])):
        pointer = of_data[name]
        if pointer in users:
            yield f"{name} holds users' ids itself, which are stored as numbers; ask another field"
        elif contract.classification.get(pointer) in PROTECTED:
            yield f"{name} is {contract.classification[pointer]}, so what is stored says nothing of it; ask another field"
        elif pointer in masked:
            yield f"{name} is left out without a consent, and nobody could tell any more who stands there; ask another field"


def warnings(contract: Contract) -> Iterator[tuple[str, str]]:
    """Fields that are called like users' ids, and of which the contract does not say whether they are: pointer and sentence."""
    if contract.derived:
        return
    said = {*user_pointers(contract), *contract.not_users}
    for pointer, schema in leaves(contract.data_schema, "/data"):
        name = pointer.removesuffix("/*").rpartition("/")[2]
        if (
            pointer in said
            or contract.classification.get(pointer) in PROTECTED
            or not _NAMING & types(schema)
            or not _LIKE_A_USER.fullmatch(snake(name))
        ):
            continue
        listed = "give it a class that protects it" if "*" in pointer else "list it under users"
        sentence = f"{pointer} is called like a user's id, and is stored as it is sent; {listed}, or under notUsers if it is nobody's"
        yield pointer, sentence


def place(document: Any, pointer: str) -> str:
    """Where the document of a contract describes the field of a pointer into events, as a pointer into the document."""
    here, part = "/schema/0", document["schema"][0]
    for name in parse(pointer)[1:]:
        if name == "*":
            here, part = f"{here}/items", part["items"]
            continue
        at = next(at for at, one in enumerate(part["properties"]) if one["name"] == name)
        here, part = f"{here}/properties/{at}", part["properties"][at]
    return here


def weaker(old: Contract, new: Contract) -> Iterator[tuple[str, str]]:
    """Pointer and reason of fields in which users' ids would be stored as they are sent, where numbers stood."""
    after = {one["pointer"]: one["where"] for one in new.users}
    named = user_pointers(new)
    kept = {pointer for pointer, _ in leaves(new.data_schema, "/data")}
    for one in old.users:
        pointer = one["pointer"]
        if pointer not in kept or new.classification.get(pointer) in PROTECTED:
            continue
        if pointer not in named:
            yield pointer, "users' ids in it became numbers, and would be stored as they are sent"
        elif after.get(pointer) and after[pointer] != one["where"]:
            yield pointer, "users' ids in it became numbers under another condition"
