"""The heads of sealed days, which name their blocks and say whether the stream had the same numbers."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from millrace.aggregates import rows
from millrace.aggregates.blocks import Layout
from millrace.aggregates.definition import Aggregate
from millrace.core.table import Item, Table


@dataclass(frozen=True, slots=True)
class Compared:
    """What the stream had counted since the seal before, held against silver.

    Attributes:
        tiles: tiles and keys that were compared; 0 where nothing was.
        different: those of them with other numbers.
        named: some of these.
    """

    tiles: int = 0
    different: int = 0
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a sealed day.

    Attributes:
        cut: what was received before this UTC day is in its blocks.
        generation: of its blocks.
        layout: of its blocks.
        source: which files of silver it was made of.
        whole: whether these have nothing that was received since the cut.
        first_at: when the day was sealed for the first time, UTC text.
        digest: of its blocks; empty in a head of before there was one.
        compared: with what the stream had.
    """

    cut: str
    generation: str
    layout: Layout
    source: str
    whole: bool
    first_at: str
    digest: str = ""
    compared: Compared = Compared()

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Head":
        """Of its row."""
        return cls(
            cut=item["cut"]["S"],
            generation=item["generation"]["S"],
            layout=Layout(int(item["spans"]["N"]), int(item["blocks"]["N"])),
            source=item["source"]["S"],
            whole=item["whole"]["N"] == "1",
            first_at=item["firstAt"]["S"],
            digest=item.get("digest", {"S": ""})["S"],
            compared=Compared(
                int(item.get("compared", {"N": "0"})["N"]),
                int(item.get("different", {"N": "0"})["N"]),
                tuple(orjson.loads(item.get("named", {"S": "[]"})["S"])),
            ),
        )


def digest(packed: Iterable[tuple[str, bytes]]) -> str:
    """Of blocks by their sort key, in any order."""
    found = hashlib.sha256()
    for name, block in sorted(packed):
        found.update(name.encode() + block)
    return found.hexdigest()[:16]


class Heads:
    """Reads the heads of one tenant's days."""

    def __init__(self, analytics: Table, org: str) -> None:
        self._analytics, self._org = analytics, org

    def read(self, aggregates: Iterable[Aggregate], days: Iterable[str]) -> dict[tuple[str, str], Head]:
        """Aggregate and day → the head of its seal, where it has one.

        Raises:
            MillraceError: the table did not answer.
        """
        named = {rows.day_key(self._org, one, day): (one.name, day) for day in days for one in aggregates}
        wanted = [_key(name, rows.sealed_sort()) for name in named]
        found = self._analytics.batch_get(wanted, consistent=True, doing="read seals")
        return {named[item["metricKey"]["S"]]: Head.of(item) for item in found}

    def is_whole(self, aggregate: Aggregate, day: str, head: Head) -> bool:
        """Whether the blocks of a day are those that were sealed.

        Raises:
            MillraceError: the table did not answer.
        """
        name = rows.day_key(self._org, aggregate, day)
        wanted = [
            _key(name, rows.sealed_sort(head.generation, span, block))
            for span in range(head.layout.spans)
            for block in range(head.layout.blocks)
        ]
        found = self._analytics.batch_get(wanted, doing="read sealed tiles")
        return digest((item["tileKey"]["S"], bytes(item["part"]["B"])) for item in found) == head.digest

    def make_due(self, aggregate: Aggregate, day: str, head: Head) -> None:
        """Has the next seal count a day anew; one that was sealed meanwhile stays.

        Raises:
            MillraceError: the table did not take it.
        """
        self._analytics.update(
            _key(rows.day_key(self._org, aggregate, day), rows.sealed_sort()),
            "SET #source = :none",
            condition="generation = :generation",
            names={"#source": "source"},
            values={":none": {"S": ""}, ":generation": {"S": head.generation}},
            doing="have a day sealed again",
        )


def _key(metric: str, tile: str) -> Item:
    return {"metricKey": {"S": metric}, "tileKey": {"S": tile}}
