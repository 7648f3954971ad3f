"""The heads of sealed days, which name their blocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from millrace.aggregates.blocks import Layout


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
    """

    cut: str
    generation: str
    layout: Layout
    source: str
    whole: bool
    first_at: str

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
        )
