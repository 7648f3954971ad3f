"""Where a field's new JSON Schema refuses, loses or retypes what the old one had."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from millrace.contracts.columns import Scalar, Type, type_of
from millrace.contracts.decimals import is_decimal
from millrace.contracts.schema import json_type, types

_INFINITY = float("inf")
_Schema = dict[str, Any]
# Bounds on counts: keyword, what stands where it is absent, and whether more is stricter.
_COUNTS = (
    ("minLength", 0, True),
    ("maxLength", _INFINITY, False),
    ("minItems", 0, True),
    ("maxItems", _INFINITY, False),
    ("minProperties", 0, True),
    ("maxProperties", _INFINITY, False),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Where, what kind, and why."""

    pointer: str
    kind: str
    reason: str


def compare_schemas(old: _Schema, new: _Schema, pointer: str) -> Iterator[Finding]:
    """What breaks between two schemas of one field, and in all that it holds."""
    if _is_retyped(old, new):
        yield Finding(pointer, "retyped", f"it was {_called(old)} and is {_called(new)}")
        return
    reasons = [*_narrowed(old, new)]
    if reasons:
        yield Finding(pointer, "narrowed", "; ".join(reasons))
    if json_type(old) == "object":
        yield from _objects(old, new, pointer)
    if "items" in old:
        yield from compare_schemas(old["items"], new["items"], f"{pointer}/*")


def missing(values: Iterable[Any], among: Iterable[Any]) -> list[Any]:
    """The values that are not among others, as JSON tells values apart: 1 is not true, and is 1.0."""
    known = [*among]
    return [value for value in values if not any(same(value, one) for one in known)]


def same(one: Any, other: Any) -> bool:
    """Whether two documents are the same to JSON; to Python 1 and true are."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _is_retyped(old: _Schema, new: _Schema) -> bool:
    if types(old) != types(new):
        return True
    if "items" in old:
        return False
    if json_type(old) == "object":
        # With declared fields it is columns of its own, without it is JSON text.
        return bool(old.get("properties")) != bool(new.get("properties")) and not _is_part(old, new)
    return not _promotes(type_of(old), type_of(new))


def _is_part(old: _Schema, new: _Schema) -> bool:
    # Payload and metadata are never columns, so they may get their first field.
    return "properties" in old and "properties" in new


def _promotes(old: Type, new: Type) -> bool:
    """Whether readers of the old column can read the new one.

    Iceberg and Avro widen int to long by themselves. From long to int is no other type to JSON: that it refuses
    values is reported as such.
    """
    integers = (Scalar("int"), Scalar("long"))
    return old == new or (old in integers and new in integers)


def _called(schema: _Schema) -> str:
    kind = json_type(schema)
    if kind == "object":
        return "an object with declared fields" if schema.get("properties") else "a free object"
    if kind == "array":
        return "an array"
    of = type_of(schema)
    name = of.name if isinstance(of, Scalar) else kind
    return {"timestamptz": "a timestamp", "long": "an integer", "int": "an integer"}.get(name, f"a {name}")


def _objects(old: _Schema, new: _Schema, pointer: str) -> Iterator[Finding]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        reason = "events without it were accepted" if name in before else "no event has it yet"
        yield Finding(f"{pointer}/{name}", "required", reason)
    for name, part in before.items():
        if name in after:
            yield from compare_schemas(part, after[name], f"{pointer}/{name}")
        else:
            yield Finding(f"{pointer}/{name}", "removed", "readers rely on it")
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield Finding(pointer, "closed", "other fields were accepted and kept")
    kept = [name for name in before if name in after]
    if list(after)[: len(kept)] != kept:
        # JSON, Avro, Parquet and Iceberg find a field by its name; Protobuf by its number, which is its place.
        place = next(name for name, old in zip(after, kept, strict=False) if name != old)
        reason = f"Protobuf numbers fields by their place, and {place} now has the number of another field"
        yield Finding(pointer, "moved", reason)


def _narrowed(old: _Schema, new: _Schema) -> Iterator[str]:
    if "enum" in new:
        lost = [value for value in missing(old.get("enum", ()), new["enum"]) if value is not None]
        if "enum" not in old:
            yield "any value was accepted"
        elif lost:
            yield f"{', '.join(map(str, lost))} was accepted"
    yield from _bounds(old, new)
    for keyword, absent, more_is_stricter in _COUNTS:
        before, after = old.get(keyword, absent), new.get(keyword, absent)
        if (after > before) if more_is_stricter else (after < before):
            yield f"{keyword} was {'not limited' if before == absent else before} and is {after}"
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield (
            "its pattern is new"
            if "pattern" not in old
            else "its pattern has changed, so texts may be refused"
        )
    if new.get("uniqueItems") and not old.get("uniqueItems"):
        yield "items that come twice were accepted"
    step = new.get("multipleOf")
    if step is not None and not is_decimal(new) and ("multipleOf" not in old or old["multipleOf"] % step):
        yield f"values that are not a multiple of {step} were accepted"


def _bounds(old: _Schema, new: _Schema) -> Iterator[str]:
    whole = "integer" in types(old)
    for sign, end in ((1, "inimum"), (-1, "aximum")):
        before, after = _bound(old, end, sign, whole=whole), _bound(new, end, sign, whole=whole)
        if after > before:
            word = "least" if sign > 0 else "most"
            edge = "" if not after[1] else " and not that itself"
            yield f"the {word} it may be is now {sign * after[0]}{edge}"


def _bound(schema: _Schema, end: str, sign: int, *, whole: bool) -> tuple[float, bool]:
    """The stricter of an inclusive and an exclusive bound as (value, exclusive), the larger the stricter."""
    bounds: list[tuple[float, bool]] = [(-_INFINITY, False)]
    if f"m{end}" in schema:
        bounds.append((sign * schema[f"m{end}"], False))
    exclusive = schema.get(f"exclusiveM{end}")
    if exclusive is not None:
        # Of whole numbers, more than 0 is at least 1.
        bounds.append(
            (sign * exclusive + 1, False)
            if whole and exclusive == int(exclusive)
            else (sign * exclusive, True)
        )
    return max(bounds)
