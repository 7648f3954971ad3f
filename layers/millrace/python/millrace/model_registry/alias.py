"""Changes of the champion: which version of a tenant's model serves.

A change is one conditional write over the alias as its caller read it, then its event, then the mark that the event is
stored. The next change finishes an interrupted one: no change is made over one whose event is not stored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.features.views import FeatureError, FeatureViews
from millrace.model_registry import rows
from millrace.model_registry.artifact import ModelCard
from millrace.model_registry.champion_events import ChampionEvents
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.register import OFF
from millrace.model_registry.rows import TRAIL, Alias, Reason, Version
from millrace.model_registry.store import ModelStore, need

PREVIOUS = "previous"
REASONS: tuple[Reason, ...] = ("deploy", "promote", "rollback")


class RefusedChangeError(PermanentError):
    """The champion stays; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A change of the champion that a caller requests.

    Attributes:
        org: the tenant.
        model: such as `fraud`.
        to: a version, or `previous`.
        reason: why.
        by: who requests it.
        run: the training run that deploys.
        request_id: the caller's own id: a retry with the same id makes no second change.
        force: past the gates; for a promotion only.
    """

    org: str
    model: str
    to: str
    reason: Reason
    by: str
    run: str | None = None
    request_id: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class ChampionChange:
    """A change that was made; `unchanged` where the version was the champion already. `mlflow`: what came of it there."""

    status: Literal["moved", "unchanged"]
    alias: Alias
    mlflow: str = OFF


class ChampionTracker(Protocol):
    """Where champions are shown as well."""

    def champion(self, version: Version, card: ModelCard, text: bytes, onnx: bytes) -> str:
        """Shows a version as the champion.

        Returns:
            `logged`, or a warning that names what could not be reached; it never raises.
        """
        ...


class ChampionAlias:
    """Changes the champions of tenants."""

    def __init__(
        self,
        store: ModelStore,
        files: ArtifactFiles,
        events: ChampionEvents,
        views: FeatureViews,
        tracker: ChampionTracker | None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """Rows, artifacts, where events are appended, the feature views of this deployment, and MLflow."""
        self._store, self._files, self._events, self._views, self._now = store, files, events, views, now
        self._tracker = tracker

    def change(self, request: ChangeRequest) -> ChampionChange:
        """Changes the champion, and appends the event of the change.

        Raises:
            RefusedChangeError: there is no such version or no previous one, it may not be deployed, its artifact is not
                what was registered, or it reads a view that is not online.
            ChampionChangedError: another caller changed it first.
            MillraceError: a store did not answer; a retry does every step once.
        """
        seen = self._store.alias(request.org, request.model)
        if seen is not None:
            seen = self._announce(seen)
            if request.request_id is not None and seen.request == request.request_id:
                return ChampionChange("moved", seen)
        version, trail = self._target(request, seen)
        if seen is not None and seen.version == version.version:
            return ChampionChange("unchanged", seen)
        self._judge(request, version)
        card, text, onnx = self._files.read(version)
        self._require_online(card)
        to = Alias(
            org=request.org,
            model=request.model,
            version=version.version,
            before=seen.version if seen else None,
            trail=trail,
            card_sha256=version.card_sha256,
            artifact=version.artifact,
            moved_at=clock.utc_text(self._now()),
            move=seen.move + 1 if seen else 1,
            announced=seen.move if seen else 0,
            reason=request.reason,
            by=request.by,
            forced=version.status != "candidate",
            run=request.run,
            request=request.request_id,
        )
        # A change whose event would not be valid must not be made.
        self._events.check(to)
        self._store.move(seen, to)
        announced = self._announce(to)
        tracked = self._tracker.champion(version, card, text, onnx) if self._tracker else OFF
        return ChampionChange("moved", announced, tracked)

    def _announce(self, alias: Alias) -> Alias:
        if alias.announced >= alias.move:
            return alias
        self._events.append(alias)
        return self._store.announced(alias)

    def _require_online(self, card: ModelCard) -> None:
        """A champion is served from online rows, so the views that it reads must have them."""
        try:
            self._views.require_online(card.views)
        except FeatureError as error:
            raise RefusedChangeError(f"{card.model} of {card.run_id} cannot serve: {error}") from error

    def _target(self, request: ChangeRequest, seen: Alias | None) -> tuple[Version, tuple[str, ...]]:
        """The version to serve, and the trail of champions that a rollback from it goes back over."""
        if request.to != PREVIOUS:
            try:
                version = need(self._store, request.org, request.model, rows.version_named(request.to))
            except PermanentError as error:
                raise RefusedChangeError(str(error)) from error
            return version, _behind(seen)
        if seen is None:
            raise RefusedChangeError(f"{request.org} has no champion of {request.model} to go back from")
        if seen.previous is None:
            raise RefusedChangeError(f"before {request.model}/{seen.version} none was champion")
        return need(self._store, request.org, request.model, seen.previous), seen.trail[:-1]

    @staticmethod
    def _judge(request: ChangeRequest, version: Version) -> None:
        if version.status == "candidate" or (request.force and request.reason == "promote"):
            return
        # A former champion was allowed to serve before.
        if request.reason == "rollback" and request.to == PREVIOUS:
            return
        name = f"{version.model}/{version.version}"
        if version.status == "trial":
            raise RefusedChangeError(
                f"{name} was trained on files that were brought along, not on what the lake knows of this tenant; "
                "--force promotes it all the same"
            )
        failed = [
            f"{gate['name']} {gate['value']:.3f} is below {gate['least']:.2f}"
            for gate in version.gates
            if not gate["passed"]
        ]
        raise RefusedChangeError(
            f"{name} did not pass the gates ({', '.join(failed)}); --force promotes it all the same"
        )


def _behind(seen: Alias | None) -> tuple[str, ...]:
    return (*seen.trail, seen.version)[-TRAIL:] if seen else ()


def parse_request(document: dict[str, object]) -> ChangeRequest:
    """The request in a caller's JSON.

    Raises:
        PermanentError: a field is missing or of another type.
    """
    texts = {name: document.get(name) for name in ("org", "model", "to", "by")}
    for name, value in texts.items():
        if not isinstance(value, str) or not value:
            raise PermanentError(f"a move needs {name}, as text")
    reason = next((known for known in REASONS if known == document.get("reason")), None)
    if reason is None:
        raise PermanentError(f"a move's reason is {', '.join(REASONS)}, not {document.get('reason')}")
    optional = {name: document.get(name) for name in ("runId", "request")}
    for name, value in optional.items():
        if value is not None and not isinstance(value, str):
            raise PermanentError(f"{name} is text")
    run, request_id = optional["runId"], optional["request"]
    change = ChangeRequest(
        org=str(texts["org"]),
        model=str(texts["model"]),
        to=str(texts["to"]),
        reason=reason,
        by=str(texts["by"]),
        run=None if run is None else str(run),
        request_id=None if request_id is None else str(request_id),
        force=document.get("force") is True,
    )
    rows.check_names(change.org, change.model)
    return change
