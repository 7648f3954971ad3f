"""The model registry of a platform, with stores that fail and threads that share a server."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.emit import Emitter
from millrace.features import views as feature_views
from millrace.model_registry import rows
from millrace.model_registry.alias import ChampionAlias, ChangeRequest
from millrace.model_registry.artifact import ModelCard
from millrace.model_registry.champion_events import EVENT_TYPE, ChampionEvents
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.package import unpack
from millrace.model_registry.register import Registered, Registrar
from millrace.model_registry.rows import Version
from millrace.model_registry.store import ModelStore
from tests.support.model_artifacts import RUN, archive, card
from tests.support.platform import ACME, LAKE, Platform

Result = TypeVar("Result")
ALGORITHMS = ("logistic_regression", "random_forest", "gradient_boosting")


@dataclass
class Silent:
    """A tracker that only counts."""

    seen: list[str] = field(default_factory=list)
    champions: list[str] = field(default_factory=list)

    def log(self, version: Version, card: ModelCard, text: bytes, onnx: bytes) -> str:
        self.seen.append(version.version)
        return "logged"

    def champion(self, version: Version, card: ModelCard, text: bytes, onnx: bytes) -> str:
        self.champions.append(version.version)
        return "logged"


class Broken:
    """A client one of whose calls fails, before or after its effect, so many times."""

    def __init__(self, inner: Any, operation: str, *, after: bool = False, times: int = 1) -> None:
        self._inner, self._operation, self._after, self.left = inner, operation, after, times

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._inner, name)
        if name != self._operation:
            return real

        def call(**given: Any) -> Any:
            if self.left == 0:
                return real(**given)
            self.left -= 1
            if self._after:
                real(**given)
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": "broken"}}, name)

        return call


class Locked:
    """A client one of whose calls runs at a time: moto's stores are not stores of threads, the calls still interleave."""

    _one = threading.Lock()

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._inner, name)

        def call(**given: Any) -> Any:
            with self._one:
                return real(**given)

        return call


def pressed(work: Callable[[], Result]) -> Result:
    """What is done once nobody else is in its way."""
    while True:
        try:
            return work()
        except RetryableError:
            continue


class Stage:
    """The registry of a platform."""

    def __init__(self, running: Platform, bundle: Registry) -> None:
        self.running, self.bundle = running, bundle
        self.dynamodb: Any = Locked(running.dynamodb)
        self.store = ModelStore(Table(self.dynamodb, "MLModels"))
        self.files = ArtifactFiles(Objects(Locked(running.s3), LAKE))
        self.tracker = Silent()
        self.views = feature_views.load()
        # Of the last day, whenever that is: an event that is older than its retention is in no list.
        self._began = self.moment = clock.now() - timedelta(days=1)

    def register(self, *, org: str = ACME, run: str = RUN, f1: float = 0.86, **more: Any) -> list[Registered]:
        cards = [
            card(name, org=org, run=run, f1=f1 + place / 100, **more) for place, name in enumerate(ALGORITHMS)
        ]
        return Registrar(self.store, self.files, self.tracker).register(
            unpack(archive(cards), org=org, model="fraud", run=run)
        )

    def mover(self, *, store: Any = None, events: Any = None) -> ChampionAlias:
        def now() -> datetime:
            self.moment += timedelta(seconds=1)
            return self.moment

        table = TableAppender(Table(events or self.dynamodb, "Events"))
        return ChampionAlias(
            ModelStore(Table(store, "MLModels")) if store is not None else self.store,
            self.files,
            ChampionEvents(Emitter(self.bundle, Appender({"table": table}))),
            self.views,
            self.tracker,
            now,
        )

    def move(self, to: str, reason: rows.Reason = "promote", *, org: str = ACME, **more: Any) -> Any:
        return self.mover().change(ChangeRequest(org, "fraud", to, reason, "tests", **more))

    def told(self, org: str = ACME) -> list[tuple[int, str, str | None]]:
        """Move, version and what it replaces, of each event of the tenant."""
        query = {"eventType": EVENT_TYPE, "from": clock.utc_text(self._began)}
        items = self.running.get("/v1/events", org=org, query=query)["body"]["items"]
        payloads = [item["data"]["payload"] for item in items]
        return sorted((one["move"], one["version"], one.get("replaces")) for one in payloads)


def rows_of(stage: Stage, version: str) -> Version:
    found = stage.store.version(ACME, "fraud", version)
    assert found is not None
    return found
