"""The champions' part in a batch of transactions: the online rows that they need, and their answers once these are read."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from millrace.core.table import Item
from millrace.scoring.answer import WITHOUT_MODEL, ModelResult, ModelUnavailableError, ScoringError
from millrace.scoring.champion import Champion, ModelInput
from millrace.scoring.champions import Champions
from millrace.scoring.model_input import Values

US_PER_MS = 1000


class ScoringRequest(NamedTuple):
    """A transaction of a batch.

    Attributes:
        org: its tenant; no other tenant's model or row is read.
        payload: its payload.
        moment_us: when it happened, in microseconds since 1970.
    """

    org: str
    payload: Values
    moment_us: int


class Batch:
    """A batch of transactions, scored in two steps, so that the caller can read the online rows together with its own."""

    def __init__(
        self, champions: Champions | None, requests: Sequence[ScoringRequest], seconds: float
    ) -> None:
        """Finds the champions.

        Args:
            champions: of all tenants; without them no model is in force.
            requests: the batch.
            seconds: to wait for champions that have to be loaded, in all.
        """
        self._results: list[ModelResult] = [None] * len(requests)
        # Tenant by tenant: the champion, and the places, requests and row keys of its transactions.
        self._served: list[tuple[Champion, list[tuple[int, ScoringRequest, list[str | None]]]]] = []
        # Whether a model is in force, or may be, for any of the transactions.
        self.in_force = False
        if champions is None:
            return
        end = time.monotonic() + seconds
        places: dict[str, list[int]] = {}
        for place, one in enumerate(requests):
            places.setdefault(one.org, []).append(place)
        champions.prepare(places)
        for org, of_org in places.items():
            try:
                champion = champions.of(org, end - time.monotonic())
            except ModelUnavailableError:
                self._without(of_org)
                continue
            if champion is None:
                continue
            if champion.known_until < time.time():
                self._without(of_org)
                continue
            self.in_force, keys = True, champion.columns.keys
            self._served.append((champion, [(at, requests[at], keys(requests[at].payload)) for at in of_org]))

    def _without(self, places: Sequence[int]) -> None:
        self.in_force = True
        for place in places:
            self._results[place] = WITHOUT_MODEL

    def keys(self) -> list[str]:
        """The keys of the online rows that are needed, each once."""
        needed: dict[str | None, None] = {}
        for _, cases in self._served:
            for _, _, keys in cases:
                needed.update(dict.fromkeys(keys))
        return [key for key in needed if key is not None]

    def answers(self, items: Mapping[str, Item] | None) -> list[ModelResult]:
        """The models' answers to each transaction, one run for each champion.

        Args:
            items: the rows of `keys`, by key; an entity without a row was never seen. None if they could not be read.
        """
        for champion, cases in self._served:
            places = [place for place, _, _ in cases]
            if items is None:
                self._without(places)
                continue
            rows = _Rows(champion, items)
            inputs = [
                None
                if (values := rows.values(keys)) is None
                else ModelInput(values, one.payload, one.moment_us)
                for _, one, keys in cases
            ]
            try:
                answers = champion.answers(inputs)
            except ScoringError:
                self._without(places)
                continue
            for place, answer in zip(places, answers, strict=True):
                self._results[place] = WITHOUT_MODEL if answer is None else answer
        return self._results


class _Rows:
    """Online rows as values, each read once however many transactions share it."""

    def __init__(self, champion: Champion, items: Mapping[str, Item]) -> None:
        self._names = [source.view.name for source in champion.columns.sources]
        self._readers, self._get = champion.readers, items.get
        # The views of an entity share its row, and so its key.
        self._read: dict[tuple[int, str], Values | None] = {}

    def values(self, keys: Sequence[str | None]) -> dict[str, Values] | None:
        """The values of each source, by view; None if a row is of another version of its view."""
        by_view: dict[str, Values] = {}
        read = self._read
        for place, key in enumerate(keys):
            reader = self._readers[place]
            if key is None:
                values: Values | None = reader.defaults
            elif (place, key) in read:
                values = read[place, key]
            else:
                values = read[place, key] = reader.values(self._get(key))
            if values is None:
                return None
            by_view[self._names[place]] = values
        return by_view
