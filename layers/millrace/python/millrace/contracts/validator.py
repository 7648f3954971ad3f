"""Judges events against a contract: one compiled JSON Schema, then decimals and cross-field rules.

The common case is one call into the compiled schema that says "valid". Only for an event that is not are the findings
collected and put into words.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import jsonschema_rs

from millrace.contracts import decimals, envelope, messages, rules
from millrace.contracts.contract import PROTECTED, Contract
from millrace.contracts.errors import FieldError
from millrace.contracts.pointers import write

MAX_ERRORS = 20
# Findings looked at, before sorting. An event can hold thousands of wrong items; nobody reads the rest.
_MAX_FINDINGS = 200
_CALENDAR = ("date-time", "date")

__all__ = ["MAX_ERRORS", "FieldError", "Validator", "envelope_errors"]


class Validator:
    """The validator of one contract; compiled when first used, reusable, safe to share between threads."""

    def __init__(self, contract: Contract | None) -> None:
        """Without a contract it judges the envelope alone, whatever the data holds."""
        self._contract = contract
        self._schema: jsonschema_rs.Draft202012Validator | None = None
        self._decimals: decimals.Checker | None = None
        self._rules: tuple[rules.Rule, ...] = ()
        self._hidden: frozenset[str] = frozenset()

    def errors(self, event: Any) -> list[FieldError]:
        """What is wrong with an event, in the order of pointers, at most `MAX_ERRORS`; empty if it is valid.

        Args:
            event: a parsed JSON document of any type.
        """
        schema = self._schema or self._compile()
        found: list[FieldError] = []
        try:
            valid = schema.is_valid(event)
        except UnicodeEncodeError:
            # Half a surrogate pair: no JSON parser of ours lets it in, a caller in Python may.
            return [FieldError("", "malformed", "holds a text that is no Unicode")]
        if not valid:
            for finding in islice(schema.iter_errors(event), _MAX_FINDINGS):
                found += messages.from_validation(finding, show_value=self._is_shown(finding.instance_path))
        if self._decimals is not None and not self._decimals.fit(event):
            for path, value in self._decimals.errors(event):
                found.append(messages.decimal_error(path, value, show_value=self._is_shown(path)))
        for rule in self._rules:
            # Where what a rule reads is wrong already, the rule would only say the same once more.
            if found and _touches(found, rule.reads):
                continue
            error = rule.check(event)
            if error is not None:
                found.append(error)
        return _ordered(found) if len(found) > 1 else found

    def _compile(self) -> jsonschema_rs.Draft202012Validator:
        contract = self._contract
        if contract is None:
            whole = envelope.schema(envelope.ANY_DATA)
        else:
            whole = envelope.schema(contract.data_schema, contract.event_type)
        self._decimals = decimals.checker(contract.data_schema) if contract else None
        compiled = (rules.compile_rule(rule) for rule in (contract.rules if contract else ()))
        self._rules = tuple(rule for rule in compiled if rule is not None)
        classes = contract.classification if contract else {}
        self._hidden = frozenset(pointer for pointer, name in classes.items() if name in PROTECTED)
        self._schema = jsonschema_rs.Draft202012Validator(
            _judged_by_the_schema(whole),
            validate_formats=True,
            # Linear in the length of the text whatever the pattern: no client can make a pattern backtrack.
            pattern_options=jsonschema_rs.RegexOptions(),
        )
        return self._schema

    def _is_shown(self, path: Iterable[str | int]) -> bool:
        return (
            not self._hidden
            or write("*" if isinstance(part, int) else part for part in path) not in self._hidden
        )


_ENVELOPE = Validator(None)


def envelope_errors(event: Any) -> list[FieldError]:
    """What is wrong with the envelope of an event whose contract is not known."""
    return _ENVELOPE.errors(event)


def _judged_by_the_schema(schema: Any) -> Any:
    """What the compiled schema judges: all but the step of decimals, and the formats that their pattern says whole.

    The library's own idea of an e-mail address or a URI is not that of the schema we publish.
    """
    if isinstance(schema, list):
        return [_judged_by_the_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = {
        *(["multipleOf"] if decimals.is_decimal(schema) else []),
        *(["format"] if isinstance(schema.get("format"), str) and schema["format"] not in _CALENDAR else []),
    }
    return {key: _judged_by_the_schema(part) for key, part in schema.items() if key not in left_out}


def _touches(found: list[FieldError], reads: tuple[str, ...]) -> bool:
    return any(
        f"{error.pointer}/".startswith(f"{pointer}/") or f"{pointer}/".startswith(f"{error.pointer}/")
        for error in found
        for pointer in reads
    )


def _ordered(found: list[FieldError]) -> list[FieldError]:
    """One error for each place, a wrong type before all else that is wrong there."""
    first: dict[str, FieldError] = {}
    for error in found:
        if error.pointer not in first or (error.code == "type" and first[error.pointer].code != "type"):
            first[error.pointer] = error
    return sorted(first.values(), key=lambda error: list(_sort_key(error.pointer)))[:MAX_ERRORS]


def _sort_key(pointer: str) -> Iterator[tuple[int, str]]:
    # Digits by their length first, so that item 10 comes after item 9.
    return ((len(part), part) if part.isdigit() else (0, part) for part in pointer.split("/"))
