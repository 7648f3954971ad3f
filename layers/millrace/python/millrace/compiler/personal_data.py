"""The custom property `personalData`: what becomes of personal data that no class protects. Build only."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from millrace.contracts.contract import PERSONAL_DATA, PROTECTED, Contract
from millrace.contracts.schema import leaves

FORM = f"one of {', '.join(PERSONAL_DATA)}, or an object {{found: one of these, except: pointers of fields that hold it on purpose}}"


@dataclass(frozen=True, slots=True)
class Found:
    """What becomes of an event in which it is found, of `PERSONAL_DATA`, and the fields that are not searched."""

    action: str
    exempt: tuple[str, ...] = ()


def read(value: Any) -> Found:
    """The property's value.

    Raises:
        ValueError: it is not of its form.
    """
    document = {"found": value} if isinstance(value, str) else value
    if not isinstance(document, dict) or document.keys() - {"found", "except"}:
        raise ValueError(f"personalData is {FORM}")
    action, exempt = document.get("found", "flag"), document.get("except", [])
    if action not in PERSONAL_DATA or not isinstance(exempt, list):
        raise ValueError(f"personalData is {FORM}")
    if not all(isinstance(pointer, str) for pointer in exempt):
        raise ValueError("personalData: except is a list of pointers, such as /data/payload/supportEmail")
    return Found(action, tuple(exempt))


def problems(contract: Contract) -> Iterator[str]:
    """What contradicts the contract's fields."""
    fields = {pointer for pointer, _ in leaves(contract.data_schema, "/data")}
    for pointer in contract.personal_data_except:
        if pointer not in fields:
            yield f"personalData: no field is {pointer}"
        elif contract.classification.get(pointer) in PROTECTED:
            yield f"personalData: {pointer} is {contract.classification[pointer]}, and is not searched anyway"


def stricter(old: Contract, new: Contract) -> Iterator[tuple[str, str]]:
    """Pointer and reason of what refuses events that were accepted."""
    if new.personal_data == "flag":
        return
    if old.personal_data == "flag":
        yield "/personalData", "an event with personal data in a field that is not protected was accepted"
        return
    for pointer in old.personal_data_except:
        if pointer not in new.personal_data_except and new.classification.get(pointer) not in PROTECTED:
            yield pointer, "an event with personal data in this field was accepted"
