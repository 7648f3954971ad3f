"""The YAML of a first contract, a field on a line where it fits, with the guesses as comments. Pure; build only."""

import json
import re
from collections.abc import Iterator
from typing import Any

RETENTION_DAYS = 90
_WIDTH = 110


def _text_of(value: Any) -> str:
    """A scalar or flow collection as YAML that both our reader and any other read alike."""
    return json.dumps(value, ensure_ascii=False)


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*", value)
    words = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
    return value if plain and value.lower() not in words else _text_of(value)


def _property(one: dict[str, Any], indent: str, lead: str = "- ") -> Iterator[str]:
    """The lines of a property: on one line where it fits, else a key a line."""
    nested = {"properties", "items"} & set(one)
    comment = f"  # {one['#']}" if "#" in one else ""
    shown = {key: value for key, value in one.items() if key != "#"}
    line = f"{indent}{lead}{flow(shown)}{comment}"
    if not nested and (len(line) <= _WIDTH or (comment and len(line) - len(comment) <= _WIDTH)):
        yield line
        return
    below = indent + " " * len(lead)
    for index, (key, value) in enumerate(shown.items()):
        start = f"{indent}{lead}" if index == 0 else below
        end = comment if index == 0 else ""
        if key == "properties":
            yield f"{start}properties:"
            for part in value:
                yield from _property(part, f"{below}  ")
        elif key == "items":
            yield f"{start}items:"
            yield from _property(value, f"{below}  ", "")
        else:
            yield f"{start}{key}: {flow(value)}{end}"


def of(
    event_type: str,
    domain: str,
    payload: list[dict[str, Any]],
    metadata: list[dict[str, Any]],
    *,
    user: str | None,
    entity: tuple[str, str] | None,
    any_ids: bool,
    samples: int,
) -> str:
    """The text of the contract's file.

    Args:
        event_type: such as `ticket.opened`.
        domain: the contract's.
        payload: its properties; `#` holds the comment behind one.
        metadata: likewise.
        user: pointer of the field that names the user.
        entity: what the event is about, and the pointer of the field that names it.
        any_ids: whether the samples' ids are not all UUIDs of version 4.
        samples: how many there are.
    """
    words = event_type.replace(".", " ").replace("_", " ")
    lines = [
        "apiVersion: v3.2.0",
        "kind: DataContract",
        f"id: {event_type}.v1",
        f"name: {event_type}",
        "version: 1.0.0",
        "status: active",
        f"domain: {domain}",
        "description:",
        f"  purpose: {_text_of(f'{words[0].upper()}{words[1:]}: say here what has happened when it is sent.')}",
        f"  usage: First written from {samples} samples; look at what is marked as guessed.",
        "schema:",
        f"  - name: {event_type.replace('.', '_')}",
        "    logicalType: object",
        "    properties:",
    ]
    for name, fields in (("payload", payload), ("metadata", metadata)):
        lines += [f"      - name: {name}", "        logicalType: object"]
        lines += ["        required: true"] if name == "payload" else []
        lines += ["        properties:" if fields else "        properties: []"]
        lines += [line for one in fields for line in _property(one, "          ")]
    indexes = ["type", *(["user"] if user else []), *(["entity"] if entity else [])]
    lines += [
        "slaProperties:",
        f"  - {{property: retention, value: {RETENTION_DAYS}, unit: d}}",
        "customProperties:",
        f"  - {{property: category, value: {'user-events' if user else 'business-events'}}}",
        f"  - {{property: indexes, value: [{', '.join(indexes)}]}}",
    ]
    if entity:
        lines.append(
            f"  - {{property: entity, value: {{{entity[0]}: {entity[1]}}}}}  # guessed: by the type's name"
        )
    if user:
        lines.append(f"  - {{property: subject, value: {user}}}  # guessed: by the field's name")
        lines.append(f"  - {{property: userId, value: {user}}}")
    if any_ids:
        lines.append("  - {property: ids, value: any}  # not every sample's id is a UUID of version 4")
    return "\n".join(lines) + "\n"
