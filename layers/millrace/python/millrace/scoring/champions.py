"""The champions of the tenants a warm function serves: loaded in the background, swapped when the alias moves.

A batch never waits longer than its budget. What is wrong with a new champion leaves the old one in force, and whoever
never had one is told that there is none to be had, which is not the same as that there is none.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from millrace.core.errors import MillraceError
from millrace.features.rows import Marker
from millrace.model_registry.rows import Alias
from millrace.scoring.champion import Champion
from millrace.scoring.errors import ModelUnavailableError, ScoringError

# The alias and the markers of what is known online are asked for once in so many seconds, and tenant.
REFRESH_SECONDS = 60.0
# Tenants at once; beyond it the one that was asked about longest ago is forgotten.
TENANTS = 16


class Registry(Protocol):
    """Where champions come from: `millrace.scoring.source.Source`."""

    def alias(self, org: str) -> Alias | None:
        """Which version is in force."""
        ...

    def load(self, alias: Alias) -> Champion:
        """That version, proven."""
        ...

    def markers(self, champion: Champion) -> Mapping[str, Marker | None]:
        """Until when the views that it reads are complete online."""
        ...


class _Tenant:
    """What is known of a tenant's champion. Written by its refresher alone, under the lock.

    Attributes:
        champion: that serves.
        asked: whether the registry has ever answered.
        failure: why the version in force could not be served when it was last tried.
        begun: when the last refresh began, by the monotonic clock; None before the first.
        rested: whether nobody had asked for long when it began.
        refreshed: of the refresh that is under way; None while there is none.
        ended: what ended the last refresh that is no mere error; it is raised where the champion is asked for.
    """

    __slots__ = ("asked", "begun", "champion", "ended", "failure", "refreshed", "rested")

    def __init__(self) -> None:
        self.champion: Champion | None = None
        self.asked = False
        self.failure: str | None = None
        self.begun: float | None = None
        self.rested = False
        self.refreshed: threading.Event | None = None
        self.ended: BaseException | None = None


class Champions:
    """Champions by tenant, each with its own alias, artifact and columns; nothing is shared between two."""

    def __init__(
        self,
        registry: Registry,
        warn: Callable[[str], object] = lambda _: None,
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        tenants: int = TENANTS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry, self._warn, self._monotonic = registry, warn, monotonic
        self._refresh_seconds, self._most = refresh_seconds, tenants
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self, orgs: Iterable[str]) -> None:
        """Begins what has to be asked for tenants that will be asked about, so that none waits behind another's."""
        with self._lock:
            for org in list(orgs)[: self._most]:
                self._refresh_when_due(org)

    def of(self, org: str, seconds: float) -> Champion | None:
        """The champion of a tenant; None where no model is in force.

        One that was asked about within the last minute costs no call; after that the refresh runs beside the caller. Only
        who has never been asked about, or not for two minutes, is waited for.

        Args:
            org: the tenant.
            seconds: to wait at most.

        Raises:
            ModelUnavailableError: there is, or may be, a champion, and it cannot be served yet or at all.
        """
        with self._lock:
            tenant = self._refresh_when_due(org)
            pending = tenant.refreshed
        if pending is not None and (not tenant.asked or tenant.rested):
            pending.wait(max(0.0, seconds))
        with self._lock:
            ended, tenant.ended = tenant.ended, None
            if ended is not None:
                raise ended
            if tenant.champion is not None:
                return tenant.champion
            if tenant.asked and tenant.failure is None:
                return None
            raise ModelUnavailableError(tenant.failure or f"the champion of {org} is being loaded")

    def _refresh_when_due(self, org: str) -> _Tenant:
        tenant = self._tenant(org)
        now = self._monotonic()
        age = now - tenant.begun if tenant.begun is not None else self._refresh_seconds
        if tenant.refreshed is None and age >= self._refresh_seconds:
            tenant.begun, tenant.rested = now, age >= 2 * self._refresh_seconds
            self._begin(org, tenant)
        return tenant

    def _tenant(self, org: str) -> _Tenant:
        found = self._tenants.get(org)
        if found is None:
            found = self._tenants[org] = _Tenant()
            if len(self._tenants) > self._most:
                self._tenants.popitem(last=False)
        else:
            self._tenants.move_to_end(org)
        return found

    def _begin(self, org: str, tenant: _Tenant) -> None:
        tenant.refreshed = threading.Event()
        name = f"champion-{org}"
        threading.Thread(target=self._refresh, args=(org, tenant), name=name, daemon=True).start()

    def _refresh(self, org: str, tenant: _Tenant) -> None:
        failure: str | None = None
        try:
            failure = self._ask(org, tenant)
        except Exception as error:  # noqa: BLE001  whatever it is, the thread must not end without a word
            # What was in force stays in force, no model included.
            failure = f"the champion of {org}: {_said(error)}"
        except BaseException as error:  # noqa: BLE001  it is raised where the champion is asked for
            tenant.ended = error
        self._end(tenant, failure)

    def _ask(self, org: str, tenant: _Tenant) -> str | None:
        """Takes over what the registry says; why the version in force cannot be served, if it cannot."""
        alias = self._registry.alias(org)
        champion, failure = None, None
        if alias is not None:
            try:
                champion = self._champion(org, alias, tenant.champion)
            except Exception as error:  # noqa: BLE001  a graph may fail in any way
                champion, failure = tenant.champion, f"version {alias.version} of {org}: {_said(error)}"
        with self._lock:
            tenant.champion, tenant.failure, tenant.asked = champion, failure, True
        return failure

    def _champion(self, org: str, alias: Alias, serving: Champion | None) -> Champion:
        """The version in force: the one that serves already, or loaded. And until when it may use what is known online."""
        if alias.org != org:
            raise ScoringError(f"the alias is of {alias.org}")
        if serving is None or (serving.registered, serving.card_sha256) != (alias.version, alias.card_sha256):
            serving = self._registry.load(alias)
        try:
            serving.know(self._registry.markers(serving))
        except MillraceError as error:
            # What cannot be had stays as it was, and runs out by itself.
            self._warn(f"{serving.version}: {error}")
        if serving.known_until < time.time():
            self._warn(
                f"{serving.version} of {org}: what is known online has expired, and decisions are made without it"
            )
        return serving

    def _end(self, tenant: _Tenant, failure: str | None) -> None:
        with self._lock:
            pending, tenant.refreshed = tenant.refreshed, None
            kept = tenant.champion
            if failure is not None and not tenant.asked:
                tenant.failure = failure
        if failure is not None:
            self._warn(failure + (f"; {kept.version} goes on serving" if kept else ""))
        if pending is not None:
            pending.set()


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, MillraceError) else f"{type(error).__name__}: {error}"
