"""`ml.model.moved`: an event for each change of a champion, appended once, as any other event.

Its fields are in the alias's row, and its id follows from the change's number: whoever appends it appends the same event.
"""

from typing import Any

from millrace.eventstore.emit import Emitter, PlatformEvent, stated
from millrace.model_registry.rows import Alias

EVENT_TYPE = "ml.model.moved"
SOURCE = "millrace.registry"


class ChampionEvents:
    """Emits the events of champion changes."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    def check(self, alias: Alias) -> None:
        """Checks that the event of a change is valid.

        Raises:
            PermanentError: it would violate its contract.
        """
        self._emitter.check(_event(alias))

    def append(self, alias: Alias) -> None:
        """Appends the event of the alias's last change, unless it is stored already.

        Raises:
            RetryableError: it is not stored; a retry appends the same event.
            PermanentError: it violates its contract.
        """
        self._emitter.emit([_event(alias)])


def _event(alias: Alias) -> PlatformEvent:
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
    return stated(
        EVENT_TYPE,
        org=alias.org,
        source=SOURCE,
        at=alias.moved_at,
        payload=payload,
        # The card's hash too: it is not secret either, but does not exist before the model is trained.
        parts=(SOURCE, alias.org, alias.model, str(alias.move), alias.card_sha256),
    )
