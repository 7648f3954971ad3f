"""`ml.model.moved`: an event for each move of a champion, appended as any other, once.

All that it says stands in the alias's row, and its id follows from the move's number: whoever tells of a move tells the
same event.
"""

from typing import Any

from millrace.contracts.registry import Registry
from millrace.core.errors import RetryableError
from millrace.eventstore.append import Appender, Outcome
from millrace.eventstore.codec import Codec
from millrace.eventstore.derived_ids import event_id
from millrace.eventstore.platform_events import own_item
from millrace.eventstore.row import Item
from millrace.model_registry.rows import Alias

EVENT_TYPE = "ml.model.moved"
SOURCE = "millrace.registry"


def moved_id(alias: Alias) -> str:
    """The id of the event of a move."""
    return event_id(*_parts(alias))


class MoveEvents:
    """Appends them."""

    def __init__(self, registry: Registry, appender: Appender) -> None:
        """`appender` writes to the Events table."""
        self._registry, self._appender = registry, appender
        self._codec = Codec(registry.dictionary)

    def check(self, alias: Alias) -> None:
        """Whether a move can be told of.

        Raises:
            PermanentError: its event would not keep its contract.
        """
        self._row(alias)

    def append(self, alias: Alias) -> None:
        """Stores the event of the alias's last move, if it is not stored yet.

        Raises:
            RetryableError: it is not stored; storing it again changes nothing.
            PermanentError: it does not keep its contract.
        """
        (outcome,) = self._appender.append([self._row(alias)])
        if outcome is Outcome.UNAVAILABLE:
            raise RetryableError(f"append {EVENT_TYPE}: move {alias.move} of {alias.model} is not stored")
        # A conflict is an event that the tenant itself stored under this id, which is no secret; it hides its own move.

    def _row(self, alias: Alias) -> Item:
        payload: dict[str, Any] = {
            "model": alias.model,
            "alias": "champion",
            "version": alias.version,
            "move": alias.move,
            "reason": alias.reason,
            "movedBy": alias.by,
            "forced": alias.forced,
            "cardSha256": alias.card_sha256,
        }
        if alias.before is not None:
            payload["replaces"] = alias.before
        if alias.run is not None:
            payload["runId"] = alias.run
        return own_item(
            self._registry,
            self._codec,
            EVENT_TYPE,
            org=alias.org,
            source=SOURCE,
            at=alias.moved_at,
            payload=payload,
            parts=_parts(alias),
        )


def _parts(alias: Alias) -> tuple[str, ...]:
    # The card too: its hash is no secret either, but nobody has it before the model is trained.
    return (SOURCE, alias.org, alias.model, str(alias.move), alias.card_sha256)
