"""A JSON Patch (RFC 6902) on events of any kind: bounded in size, the same for each, silent about what they hold."""

import hashlib
from collections.abc import Sequence
from typing import Any

import jsonpatch
import jsonpointer

from millrace.core import exact_json, limits
from millrace.core.errors import PermanentError

OPERATIONS = 50
# An event may grow on its way to what fits; none may be larger than half of this in the end.
BYTES = 2 * limits.BYTES_PER_EVENT
LIMITS = (limits.Limit("operations of a patch", f"{OPERATIONS}", "400"),)
_GROWING = frozenset({"add", "replace", "copy"})


class BadPatchError(PermanentError):
    """The patch is not a JSON Patch."""


class NotApplicableError(PermanentError):
    """The patch does not apply to this event; the message holds nothing of the event."""


class Patch:
    """The operations, checked once.

    Attributes:
        is_whole: the first one puts something else in the place of the whole event.
    """

    def __init__(self, operations: Sequence[Any]) -> None:
        """Checks each.

        Raises:
            BadPatchError: they are not a JSON Patch, or more than 50.
        """
        if len(operations) > OPERATIONS:
            raise BadPatchError(f"a patch has at most {OPERATIONS} operations, got {len(operations)}")
        for number, operation in enumerate(operations, 1):
            try:
                jsonpatch.JsonPatch([operation])
                # What the library asks for only when it comes to the operation.
                if operation["op"] in ("move", "copy"):
                    jsonpointer.JsonPointer(operation["from"])
                elif operation["op"] != "remove":
                    operation["value"]
            except Exception as error:  # whatever the library finds, the answer is one
                raise BadPatchError(f"operation {number} of the patch is none of RFC 6902") from error
        # Kept as text: what is added to one event must not be the very object that another one is given.
        self._text = exact_json.dumps(operations)
        self._count = len(operations)

        first = operations[0] if operations else {}
        self.is_whole = first.get("path") == "" and first.get("op") in ("add", "replace")

    @property
    def digest(self) -> str:
        """The same for the same operations only."""
        return hashlib.sha256(self._text).hexdigest()

    @property
    def operations(self) -> list[dict[str, Any]]:
        """The operations, a copy of their own."""
        operations: list[dict[str, Any]] = exact_json.loads(self._text)[0]
        return operations

    def told(self) -> list[dict[str, Any]]:
        """The operations as the audit keeps them: of values only how many bytes they have as JSON."""
        return [_told(operation) for operation in self.operations]

    def __len__(self) -> int:
        return self._count

    def apply(self, event: Any) -> Any:
        """The repaired event. `event` itself is changed, and of no use if this fails.

        Raises:
            NotApplicableError: an operation does not apply, or the event grows beyond all bounds.
        """
        for number, operation in enumerate(self.operations, 1):
            name = operation["op"]
            try:
                event = _copy(operation, event) if name == "copy" else _apply(operation, event)
                # A copy of a copy of a copy grows without end.
                size = len(exact_json.dumps(event)) if name in _GROWING else 0
            except (
                Exception
            ) as error:  # the library says what it compared, and an event may hold what is protected
                raise NotApplicableError(
                    f"operation {number} of the patch ({name}) does not apply"
                ) from error
            if size > BYTES:
                raise NotApplicableError(f"operation {number} of the patch: the event grows too large")
        return event


def _told(operation: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in operation.items() if name in ("op", "from", "path")}
    if "value" in operation:
        told["bytes"] = len(exact_json.dumps(operation["value"]))
    return told


def _apply(operation: dict[str, Any], event: Any) -> Any:
    return jsonpatch.JsonPatch([operation]).apply(event, in_place=True)


def _copy(operation: dict[str, Any], event: Any) -> Any:
    """The addition of a copy. The library would copy object by object, which takes a hundred times as long."""
    value = exact_json.loads(exact_json.dumps(jsonpointer.JsonPointer(operation["from"]).resolve(event)))[0]
    path = operation["path"]
    if not path:
        return value
    event = _apply({"op": "add", "path": path, "value": None}, event)
    holder, name = jsonpointer.JsonPointer(path).to_last(event)
    # Of an array `-` is the end; of an object it is a name like any other.
    holder[-1 if name == "-" and isinstance(holder, list) else name] = value
    return event
