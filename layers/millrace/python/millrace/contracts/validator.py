"""Judges events against a contract: one compiled JSON Schema, then decimals and cross-field rules.

The common case is one call into the compiled schema that says "valid". Only for an event that is not are the findings
collected and put into words.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import jsonschema_rs
import orjson

from millrace.contracts import decimals, envelope, messages, rules
from millrace.contracts.contract import KEY_LENGTH, Contract
from millrace.contracts.errors import FieldError
from millrace.contracts.pointers import parse, read
from millrace.contracts.redaction import Redaction
from millrace.contracts.schema import leaves, types

MAX_ERRORS = 20
# Findings looked at, before sorting. An event can hold thousands of wrong items; no client reads the rest.
_MAX_FINDINGS = 200

__all__ = ["MAX_ERRORS", "FieldError", "Validator", "envelope_errors"]


class Validator:
    """The validator of one contract; compiled when first used, reusable, safe to share between threads."""

    __slots__ = ("_checks", "_contract", "_decimals", "_discretion", "_fit", "_is_valid", "_schema")

    def __init__(self, contract: Contract | None) -> None:
        """Without a contract it judges the envelope alone, whatever the data holds."""
        self._contract = contract
        self._schema: jsonschema_rs.Draft202012Validator | None = None
        self._is_valid: Callable[[Any], bool] | None = None
        self._decimals: decimals.Checker | None = None
        self._fit: Callable[[Any], bool] | None = None
        self._checks: tuple[tuple[rules.Check, tuple[str, ...]], ...] = ()
        self._discretion = Redaction(contract)

    def errors(self, event: Any) -> list[FieldError]:
        """What is wrong with an event, in the order of pointers, at most `MAX_ERRORS`; empty if it is valid.

        Args:
            event: a parsed JSON document of any type.
        """
        is_valid = self._is_valid or self._compile()
        errors: list[FieldError] = []
        try:
            if not is_valid(event):
                errors = self._schema_errors(event)
        except UnicodeEncodeError:
            # Half a surrogate pair: no JSON parser of ours lets it in, a caller in Python may.
            return [FieldError("", "malformed", "holds a text that is not Unicode")]
        fit = self._fit
        if fit is not None and not fit(event):
            errors += self._decimal_errors(event)
        for check, reads in self._checks:
            # Where what a rule reads is wrong already, the rule would only say the same once more.
            if errors and _touches(errors, reads):
                continue
            error = check(event)
            if error is not None:
                errors.append(error)
        return _ordered(errors) if errors else errors

    def _schema_errors(self, event: Any) -> list[FieldError]:
        errors: list[FieldError] = []
        if self._schema is not None:
            findings = list(islice(self._schema.iter_errors(event), _MAX_FINDINGS))
            if len(findings) == _MAX_FINDINGS:
                # Some are left out, and which must not hang on the order of keys.
                findings = list(islice(self._schema.iter_errors(_in_order(event)), _MAX_FINDINGS))
            for finding in findings:
                errors += messages.from_validation(finding, self._discretion)
        return errors

    def _decimal_errors(self, event: Any) -> list[FieldError]:
        wrong = self._decimals.errors(event) if self._decimals is not None else []
        return [messages.decimal_error(path, value, self._discretion) for path, value in wrong]

    def _compile(self) -> Callable[[Any], bool]:
        contract = self._contract
        if contract is None:
            whole = envelope.schema(envelope.ANY_DATA)
        else:
            whole = envelope.schema(contract.data_schema, contract.event_type, contract.ids)
            self._decimals = decimals.checker(contract.data_schema)
            self._fit = self._decimals.fit if self._decimals is not None else None
            compiled = (rules.compile_rule(rule) for rule in contract.rules)
            self._checks = (
                *((rule.check, rule.reads) for rule in compiled if rule is not None),
                *((_key_length(pointer), (pointer,)) for pointer in unbounded_names(contract)),
            )
        self._schema = jsonschema_rs.Draft202012Validator(
            _judged_by_the_schema(whole),
            # Linear in the length of the text whatever the pattern: no client can make a pattern backtrack.
            pattern_options=jsonschema_rs.RegexOptions(),
        )
        # Last, because another thread takes it for the sign that all else is there.
        self._is_valid = self._schema.is_valid
        return self._is_valid


def unbounded_names(contract: Contract) -> Iterator[str]:
    """Pointers of texts that become part of a key, and whose contract does not say how long they may be."""
    fields = dict(leaves(contract.data_schema, "/data"))
    for pointer in dict.fromkeys((*contract.entity.values(), contract.user_id_pointer)):
        if pointer in fields and "string" in types(fields[pointer]) and "maxLength" not in fields[pointer]:
            yield pointer


def _key_length(pointer: str) -> rules.Check:
    parts = parse(pointer)

    def check(event: Any) -> FieldError | None:
        value = read(event, parts)
        if not isinstance(value, str) or len(value) <= KEY_LENGTH:
            return None
        return FieldError(
            pointer, "maximum", f"must have at most {KEY_LENGTH} characters: it is part of a key"
        )

    return check


_ENVELOPE = Validator(None)


def envelope_errors(event: Any) -> list[FieldError]:
    """What is wrong with the envelope of an event whose contract is not known."""
    return _ENVELOPE.errors(event)


def _judged_by_the_schema(schema: Any) -> Any:
    """What the compiled schema judges: all but the step of decimals, and `format`, which says nothing that the pattern does not."""
    if isinstance(schema, list):
        return [_judged_by_the_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = {
        *(["multipleOf"] if decimals.is_decimal(schema) else []),
        *(["format"] if isinstance(schema.get("format"), str) else []),
    }
    return {key: _judged_by_the_schema(part) for key, part in schema.items() if key not in left_out}


def _in_order(value: Any) -> Any:
    """A copy with the keys of its objects in order, as deep as any event that is stored."""
    try:
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    except (orjson.JSONEncodeError, orjson.JSONDecodeError):
        return value


def _touches(errors: list[FieldError], reads: tuple[str, ...]) -> bool:
    return any(
        f"{error.pointer}/".startswith(f"{pointer}/") or f"{pointer}/".startswith(f"{error.pointer}/")
        for error in errors
        for pointer in reads
    )


def _ordered(errors: list[FieldError]) -> list[FieldError]:
    """One error for each place, a wrong type before all else that is wrong there."""
    if len(errors) == 1:
        return errors
    first: dict[str, FieldError] = {}
    for error in errors:
        if error.pointer not in first or (error.code == "type" and first[error.pointer].code != "type"):
            first[error.pointer] = error
    return sorted(first.values(), key=lambda error: list(_sort_key(error.pointer)))[:MAX_ERRORS]


def _sort_key(pointer: str) -> Iterator[tuple[int, str]]:
    # Digits by their length first, so that item 10 comes after item 9.
    return ((len(part), part) if part.isdigit() else (0, part) for part in pointer.split("/"))
