"""The champions of the tenants that a warm function serves: loaded in the background, replaced when the alias moves.

A batch never waits longer than its budget. When a new champion cannot be loaded, the old one stays in force. A tenant whose
first champion cannot be loaded gets an error, and not the answer that no model is in force.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from millrace.core.errors import MillraceError
from millrace.features.rows import Marker
from millrace.model_registry.rows import Alias
from millrace.scoring.answer import ModelUnavailableError, ScoringError
from millrace.scoring.champion import Champion

# The alias and the markers of online rows are read once in this many seconds, for each tenant.
REFRESH_SECONDS = 60.0
# Tenants held at once; beyond it the least recently used one is dropped.
TENANTS = 16


class ChampionSource(Protocol):
    """Where champions come from: `millrace.scoring.registered.RegisteredChampions`."""

    def alias(self, org: str) -> Alias | None:
        """Which version is in force."""
        ...

    def load(self, alias: Alias) -> Champion:
        """That version, verified."""
        ...

    def markers(self, champion: Champion) -> Mapping[str, Marker | None]:
        """Up to when the views that it reads are complete online."""
        ...


class _Tenant:
    """The state of a tenant's champion. Only its refresh writes it, under the lock.

    Attributes:
        champion: the one that serves.
        answered: whether the source has ever answered.
        failure: why the version in force could not be served when it was last tried.
        started: when the last refresh started, by the monotonic clock; None before the first.
        idle: whether the tenant had not been used for long when it started.
        pending: set when the refresh under way ends; None while there is none.
        fatal: what ended the last refresh, if it was no `Exception`; `of` raises it.
    """

    __slots__ = ("answered", "champion", "failure", "fatal", "idle", "pending", "started")

    def __init__(self) -> None:
        self.champion: Champion | None = None
        self.answered = False
        self.failure: str | None = None
        self.started: float | None = None
        self.idle = False
        self.pending: threading.Event | None = None
        self.fatal: BaseException | None = None


class Champions:
    """Champions by tenant, each with its own alias, artifact and columns; nothing is shared between two."""

    def __init__(
        self,
        source: ChampionSource,
        warn: Callable[[str], object] = lambda _: None,
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        tenants: int = TENANTS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._warn, self._monotonic = source, warn, monotonic
        self._refresh_seconds, self._most = refresh_seconds, tenants
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self, orgs: Iterable[str]) -> None:
        """Starts the refreshes that are due for these tenants, so that none waits for another's."""
        with self._lock:
            for org in list(orgs)[: self._most]:
                self._refresh_when_due(org)

    def of(self, org: str, seconds: float) -> Champion | None:
        """The champion of a tenant; None where no model is in force.

        For a tenant used within the last minute this costs no call; after that the refresh runs beside the caller. Only the
        refresh of a tenant that was never used, or not for two minutes, is waited for.

        Args:
            org: the tenant.
            seconds: to wait at most.

        Raises:
            ModelUnavailableError: there is, or may be, a champion, and it cannot be served yet or at all.
        """
        with self._lock:
            tenant = self._refresh_when_due(org)
            pending = tenant.pending
        if pending is not None and (not tenant.answered or tenant.idle):
            pending.wait(max(0.0, seconds))
        with self._lock:
            fatal, tenant.fatal = tenant.fatal, None
            if fatal is not None:
                raise fatal
            if tenant.champion is not None:
                return tenant.champion
            if tenant.answered and tenant.failure is None:
                return None
            raise ModelUnavailableError(tenant.failure or f"the champion of {org} is being loaded")

    def _refresh_when_due(self, org: str) -> _Tenant:
        tenant = self._tenant(org)
        now = self._monotonic()
        age = now - tenant.started if tenant.started is not None else self._refresh_seconds
        if tenant.pending is None and age >= self._refresh_seconds:
            tenant.started, tenant.idle = now, age >= 2 * self._refresh_seconds
            self._start(org, tenant)
        return tenant

    def _tenant(self, org: str) -> _Tenant:
        tenant = self._tenants.get(org)
        if tenant is None:
            tenant = self._tenants[org] = _Tenant()
            if len(self._tenants) > self._most:
                self._tenants.popitem(last=False)
        else:
            self._tenants.move_to_end(org)
        return tenant

    def _start(self, org: str, tenant: _Tenant) -> None:
        tenant.pending = threading.Event()
        name = f"champion-{org}"
        threading.Thread(target=self._refresh, args=(org, tenant), name=name, daemon=True).start()

    def _refresh(self, org: str, tenant: _Tenant) -> None:
        failure: str | None = None
        try:
            failure = self._update(org, tenant)
        except Exception as error:  # noqa: BLE001  the thread must not end without a record of it
            # What was in force stays in force, also that no model was.
            failure = f"the champion of {org}: {_message(error)}"
        except BaseException as error:  # noqa: BLE001  `of` raises it
            tenant.fatal = error
        self._end(tenant, failure)

    def _update(self, org: str, tenant: _Tenant) -> str | None:
        """Takes over the version in force; returns why it cannot be served, if it cannot."""
        alias = self._source.alias(org)
        champion, failure = None, None
        if alias is not None:
            try:
                champion = self._champion(org, alias, tenant.champion)
            except Exception as error:  # noqa: BLE001  a graph may fail in any way
                champion, failure = tenant.champion, f"version {alias.version} of {org}: {_message(error)}"
        with self._lock:
            tenant.champion, tenant.failure, tenant.answered = champion, failure, True
        return failure

    def _champion(self, org: str, alias: Alias, serving: Champion | None) -> Champion:
        """The version in force, loaded unless it serves already, with the newest markers."""
        if alias.org != org:
            raise ScoringError(f"the alias is of {alias.org}")
        if serving is None or (serving.registered, serving.card_sha256) != (alias.version, alias.card_sha256):
            serving = self._source.load(alias)
        try:
            serving.set_markers(self._source.markers(serving))
        except MillraceError as error:
            # The old markers stay, and expire by themselves.
            self._warn(f"{serving.version}: {error}")
        if serving.known_until < time.time():
            self._warn(
                f"{serving.version} of {org}: what is known online has expired, and decisions are made without it"
            )
        return serving

    def _end(self, tenant: _Tenant, failure: str | None) -> None:
        with self._lock:
            pending, tenant.pending = tenant.pending, None
            kept = tenant.champion
            if failure is not None and not tenant.answered:
                tenant.failure = failure
        if failure is not None:
            self._warn(failure + (f"; {kept.version} goes on serving" if kept else ""))
        if pending is not None:
            pending.set()


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, MillraceError) else f"{type(error).__name__}: {error}"
