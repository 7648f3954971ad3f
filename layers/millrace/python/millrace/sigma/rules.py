"""The compiled Sigma rules, as the bundle holds them. Pure but for loading it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from millrace.contracts import conditions, registry
from millrace.contracts.contract import Contract
from millrace.contracts.fields import Field, fields
from millrace.core import bundle

# Level of a rule → severity of its alerts.
SEVERITIES: Mapping[str, str] = {
    **dict.fromkeys(("informational", "low"), "info"),
    **dict.fromkeys(("medium", "high"), "warning"),
    "critical": "critical",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What alerts say of a rule.

    Attributes:
        name: of its file.
        rule_id: its UUID.
        title: one line.
        level: `informational`, `low`, `medium`, `high` or `critical`.
        owner: who looks after what it finds.
    """

    name: str
    rule_id: str
    title: str
    level: str
    owner: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule for one contract: whether an event matches, and the field that its alerts are about, if the rule names one."""

    rule: Rule
    holds: Callable[[Mapping[str, Any]], bool]
    subject: Field | None


class Majors(Protocol):
    """Who knows the contracts of a type by their majors."""

    def majors(self, event_type: str) -> Mapping[int, Contract]:
        """Of one type."""


class Rules:
    """Every rule, by what it reads."""

    def __init__(self, document: Mapping[str, Any], contracts: Majors) -> None:
        """`document` as `compiler/sigma` writes it."""
        self._by_contract: dict[tuple[str, int], list[Compiled]] = {}
        for one in document["rules"]:
            rule = Rule(one["name"], one["id"], one["title"], one["level"], one["owner"])
            for name, where in one["where"].items():
                event_type, _, major = name.rpartition(".v")
                known = fields(contracts.majors(event_type)[int(major)])
                compiled = Compiled(rule, conditions.holds(where, known), known.get(one["subject"]))
                self._by_contract.setdefault((event_type, int(major)), []).append(compiled)
        self.event_types = frozenset(event_type for event_type, _ in self._by_contract)

    def matching(self, envelope: Mapping[str, Any]) -> Iterator[Compiled]:
        """The rules that a stored event matches."""
        event_type, _, version = envelope["platform"]["contract"].partition("/")
        rules: Sequence[Compiled] = self._by_contract.get((event_type, int(version.partition(".")[0])), ())
        return (one for one in rules if one.holds(envelope))


def load() -> Rules:
    """Those of the bundle."""
    return bundle.load(_read)


def _read(folder: Path) -> Rules:
    return Rules(bundle.document(folder, bundle.SIGMA), registry.load())
