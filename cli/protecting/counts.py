"""What a run has looked at and changed."""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counts:
    """Of rows, or of objects of raw where it says so.

    Attributes:
        rows: that were looked at.
        rewritten: that were in clear; with a dry run, that are.
        unreadable: that cannot be read, and stay as they are.
        changed_meanwhile: that somebody else changed or removed in the same moment; the next run looks at them again.
        objects: of raw that were rewritten.
        days: tenant-days of which silver is made again.
        old_days: tenant-days whose manifest is not kept any more, so that silver stays as it is.
    """

    rows: int = 0
    rewritten: int = 0
    unreadable: int = 0
    changed_meanwhile: int = 0
    objects: int = 0
    days: int = 0
    old_days: int = 0

    def __iadd__(self, other: "Counts") -> "Counts":
        for name, more in asdict(other).items():
            setattr(self, name, getattr(self, name) + more)
        return self
