"""What can be wrong with a contract's file, with the name of a contract, and with an event."""

from dataclasses import dataclass

from millrace.core.errors import MillraceError, NotDeployedError


@dataclass(frozen=True, slots=True)
class ContractProblem:
    """One thing wrong in a contract's file: where (a JSON pointer into the YAML document) and what, as a sentence."""

    file: str
    pointer: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.file} {self.pointer or '/'}: {self.sentence}"


class ContractError(MillraceError):
    """Contracts that cannot be compiled; every problem found is in `problems`, one line each in the message."""

    def __init__(self, problems: list[ContractProblem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class Findings:
    """What is found wrong in one file, as it is read."""

    def __init__(self, file: str) -> None:
        self._file, self._problems = file, list[ContractProblem]()

    def report(self, pointer: str, sentence: str) -> None:
        """Notes one thing."""
        self._problems.append(ContractProblem(self._file, pointer, sentence))

    def check(self) -> None:
        """Raises what has been noted so far, if anything has.

        Raises:
            ContractError: with all of it.
        """
        if self._problems:
            raise ContractError(self._problems)


class UnknownType(NotDeployedError):  # noqa: N818  what callers read is the reason, and the codes carry the same words
    """No contract describes this event type."""


class UnknownVersion(NotDeployedError):  # noqa: N818
    """The event type has no contract of this version."""


MAX_POINTER = 256


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong in an event.

    Attributes:
        pointer: JSON pointer from the event's root, such as `/data/payload/totalAmount`.
        code: one of the closed list of the interface: `missing`, `type`, `format`, `minimum`, …
        message: a sentence for people, at most 80 characters, safe to print.
    """

    pointer: str
    code: str
    message: str

    def to_json(self) -> dict[str, str]:
        """The form of the interface. A pointer may hold names that a client made up, so it is cut."""
        return {"pointer": self.pointer[:MAX_POINTER], "code": self.code, "message": self.message}
