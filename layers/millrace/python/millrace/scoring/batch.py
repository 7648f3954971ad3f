"""The models' part in a batch of transactions: which online rows they need, and what they say once these are read."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from millrace.scoring.answer import WITHOUT_MODEL, Said
from millrace.scoring.champion import Champion, Question
from millrace.scoring.champions import Champions
from millrace.scoring.errors import ModelUnavailableError, ScoringError
from millrace.scoring.online_rows import Item, Values

US_PER_MS = 1000


class Asked(NamedTuple):
    """A transaction of a batch.

    Attributes:
        org: its tenant; no other tenant's model or row is looked at.
        request: its payload.
        moment_us: when it happened, in microseconds since 1970.
    """

    org: str
    request: Values
    moment_us: int


class Batch:
    """A batch of transactions, asked about in two steps, so that the rows can be read with whatever else is read."""

    def __init__(self, champions: Champions | None, asked: Sequence[Asked], seconds: float) -> None:
        """Finds the champions.

        Args:
            champions: of all tenants; without them no model is in force for anybody.
            asked: the batch.
            seconds: to wait for champions that have to be loaded, in all.
        """
        self._said: list[Said] = [None] * len(asked)
        # Tenant by tenant: the champion, and the places, questions and row keys of its transactions.
        self._served: list[tuple[Champion, list[tuple[int, Asked, list[str | None]]]]] = []
        # Whether a model is in force, or may be, for any of the transactions.
        self.asked = False
        if champions is None:
            return
        end = time.monotonic() + seconds
        places: dict[str, list[int]] = {}
        for place, one in enumerate(asked):
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
            self.asked, keys = True, champion.columns.keys
            self._served.append((champion, [(at, asked[at], keys(asked[at].request)) for at in of_org]))

    def _without(self, places: Sequence[int]) -> None:
        self.asked = True
        for place in places:
            self._said[place] = WITHOUT_MODEL

    def keys(self) -> list[str]:
        """The keys of the online rows that are needed, each once."""
        found: dict[str | None, None] = {}
        for _, cases in self._served:
            for _, _, keys in cases:
                found.update(dict.fromkeys(keys))
        found.pop(None, None)
        return [key for key in found if key is not None]

    def answers(self, items: Mapping[str, Item] | None) -> list[Said]:
        """What the models say of each transaction, one run a champion.

        Args:
            items: the rows of `keys`, by key; one that is not there is of an entity that nobody has seen. None if they
                could not be had.
        """
        for champion, cases in self._served:
            places = [place for place, _, _ in cases]
            if items is None:
                self._without(places)
                continue
            rows = _Rows(champion, items)
            questions = [
                None
                if (values := rows.values(keys)) is None
                else Question(values, one.request, one.moment_us)
                for _, one, keys in cases
            ]
            try:
                answers = champion.answers(questions)
            except ScoringError:
                self._without(places)
                continue
            for place, answer in zip(places, answers, strict=True):
                self._said[place] = WITHOUT_MODEL if answer is None else answer
        return self._said


class _Rows:
    """Online rows as values, each read once however many transactions share it."""

    def __init__(self, champion: Champion, items: Mapping[str, Item]) -> None:
        self._names = [source.view.name for source in champion.columns.sources]
        self._readers, self._get = champion.readers, items.get
        self._read: dict[str, Values | None] = {}

    def values(self, keys: Sequence[str | None]) -> dict[str, Values] | None:
        """The values of each source, by view; None if a row is there and may not be used."""
        found: dict[str, Values] = {}
        read = self._read
        for place, key in enumerate(keys):
            reader = self._readers[place]
            if key is None:
                values: Values | None = reader.defaults
            elif key in read:
                values = read[key]
            else:
                values = read[key] = reader.values(self._get(key))
            if values is None:
                return None
            found[self._names[place]] = values
        return found
