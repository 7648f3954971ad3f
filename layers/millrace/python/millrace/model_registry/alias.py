"""Moves of the champion: which version of a tenant's model serves.

A move is one conditional write over the alias as its mover saw it, then its event, then the note that the event is
stored. Whatever is interrupted is finished by the next who comes: no move is made over one that is not announced.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.model_registry import rows
from millrace.model_registry.champion_events import MoveEvents
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.rows import TRAIL, Alias, Reason, Version
from millrace.model_registry.store import ModelStore, need

PREVIOUS = "previous"
REASONS: tuple[Reason, ...] = ("deploy", "promote", "rollback")


class RefusedMoveError(PermanentError):
    """The champion stays; the message says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A move that is asked for.

    Attributes:
        org: the tenant.
        model: such as `fraud`.
        to: a version, or `previous`.
        reason: why.
        by: who asks.
        run: the training run that deploys.
        request: the asker's own name of this move: asked again, it is not made again.
        force: past the gates; of a promotion only.
    """

    org: str
    model: str
    to: str
    reason: Reason
    by: str
    run: str | None = None
    request: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of it: `unchanged` where the version was the champion already."""

    status: Literal["moved", "unchanged"]
    alias: Alias


class Mover:
    """Moves the champions of tenants."""

    def __init__(
        self,
        store: ModelStore,
        files: ArtifactFiles,
        events: MoveEvents,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """Rows, artifacts and where events are appended."""
        self._store, self._files, self._events, self._now = store, files, events, now

    def move(self, wanted: Wanted) -> Moved:
        """Moves the champion, and says so with an event.

        Raises:
            RefusedMoveError: there is no such version or no previous one, it is not to be deployed, or its artifact is not
                what was registered.
            MovedMeanwhileError: somebody else moved it first.
            MillraceError: a store did not answer; asked again, whatever was done is done once.
        """
        seen = self._store.alias(wanted.org, wanted.model)
        if seen is not None:
            seen = self._announce(seen)
            if wanted.request is not None and seen.request == wanted.request:
                return Moved("moved", seen)
        version, trail = self._target(wanted, seen)
        if seen is not None and seen.version == version.version:
            return Moved("unchanged", seen)
        self._judge(wanted, version)
        self._files.read(version)
        to = Alias(
            org=wanted.org,
            model=wanted.model,
            version=version.version,
            before=seen.version if seen else None,
            trail=trail,
            card_sha256=version.card_sha256,
            artifact=version.artifact,
            moved_at=clock.utc_text(self._now()),
            move=seen.move + 1 if seen else 1,
            announced=seen.move if seen else 0,
            reason=wanted.reason,
            by=wanted.by,
            forced=version.status != "candidate",
            run=wanted.run,
            request=wanted.request,
        )
        # A move that could not be told of must not be made.
        self._events.check(to)
        self._store.move(seen, to)
        return Moved("moved", self._announce(to))

    def _announce(self, alias: Alias) -> Alias:
        if alias.announced >= alias.move:
            return alias
        self._events.append(alias)
        return self._store.announced(alias)

    def _target(self, wanted: Wanted, seen: Alias | None) -> tuple[Version, tuple[str, ...]]:
        """Where to, and what a rollback goes back over from there."""
        if wanted.to != PREVIOUS:
            try:
                version = need(self._store, wanted.org, wanted.model, rows.version_named(wanted.to))
            except PermanentError as error:
                raise RefusedMoveError(str(error)) from error
            return version, _behind(seen)
        if seen is None:
            raise RefusedMoveError(f"{wanted.org} has no champion of {wanted.model} to go back from")
        if seen.previous is None:
            raise RefusedMoveError(f"before {wanted.model}/{seen.version} none was champion")
        return need(self._store, wanted.org, wanted.model, seen.previous), seen.trail[:-1]

    @staticmethod
    def _judge(wanted: Wanted, version: Version) -> None:
        if version.status == "candidate" or (wanted.force and wanted.reason == "promote"):
            return
        # What served before had been let in then.
        if wanted.reason == "rollback" and wanted.to == PREVIOUS:
            return
        name = f"{version.model}/{version.version}"
        if version.status == "trial":
            raise RefusedMoveError(
                f"{name} was trained on files that were brought along, not on what the lake knows of this tenant; "
                "--force promotes it all the same"
            )
        failed = [
            f"{gate['name']} {gate['value']:.3f} is below {gate['least']:.2f}"
            for gate in version.gates
            if not gate["passed"]
        ]
        raise RefusedMoveError(
            f"{name} did not pass the gates ({', '.join(failed)}); --force promotes it all the same"
        )


def _behind(seen: Alias | None) -> tuple[str, ...]:
    return (*seen.trail, seen.version)[-TRAIL:] if seen else ()


def named(document: dict[str, object]) -> Wanted:
    """What a caller asks for, as JSON.

    Raises:
        PermanentError: something is missing or of another kind.
    """
    texts = {name: document.get(name) for name in ("org", "model", "to", "by")}
    for name, value in texts.items():
        if not isinstance(value, str) or not value:
            raise PermanentError(f"a move needs {name}, as text")
    reason = next((known for known in REASONS if known == document.get("reason")), None)
    if reason is None:
        raise PermanentError(f"a move's reason is {', '.join(REASONS)}, not {document.get('reason')}")
    more = {name: document.get(name) for name in ("runId", "request")}
    for name, value in more.items():
        if value is not None and not isinstance(value, str):
            raise PermanentError(f"{name} is text")
    found = Wanted(
        org=str(texts["org"]),
        model=str(texts["model"]),
        to=str(texts["to"]),
        reason=reason,
        by=str(texts["by"]),
        force=document.get("force") is True,
    )
    rows.check_names(found.org, found.model)
    run, request = more["runId"], more["request"]
    return replace(
        found,
        run=None if run is None else str(run),
        request=None if request is None else str(request),
    )
