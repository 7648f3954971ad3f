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
# Every code that a refused event can have, and what it says of the value at its pointer.
CODES = {
    "malformed": "It is not JSON, or cannot be kept: not UTF-8, an integer beyond 64 bits, too many levels.",
    "unknown_field": "The contract has no such field, and takes none but its own.",
    "missing": "It is required and absent.",
    "type": "It is of another JSON type.",
    "format": "A text is not of its format, or a number has too many decimals.",
    "minimum": "A number is too small; a text, list or object is too short.",
    "maximum": "A number is too large; a text, list or object is too long.",
    "pattern": "A text does not match the pattern of its contract.",
    "enum": "It is none of the values of its list.",
    "rule": "Fields do not fit together; the message says which.",
    "unknown_type": "No contract describes this eventType.",
    "unknown_version": "The type has no contract of this version, or that version has ended.",
    "reserved_type": "Only the platform sends events of this type. It is checked before everything else.",
    "too_large": "The event has too many bytes, values or names.",
    "timestamp_range": "The timestamp is older than the contract keeps events, or too far ahead.",
    "conflict": "The id is that of an accepted event with other content; both are kept.",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong in an event.

    Attributes:
        pointer: JSON pointer from the event's root, such as `/data/payload/totalAmount`.
        code: one of `CODES`.
        message: a sentence for people, at most 80 characters, safe to print.
    """

    pointer: str
    code: str
    message: str

    def to_json(self) -> dict[str, str]:
        """The form of the interface. A pointer may hold names that a client made up, so it is cut."""
        return {"pointer": self.pointer[:MAX_POINTER], "code": self.code, "message": self.message}
