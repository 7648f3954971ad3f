"""The order of a chain's lines: which are missing, inserted, or stand elsewhere than they were written. Pure.

Lines are read once, in the order in which they are stored, and kept as runs: lines that stand behind each other and were written so. A chain
that nobody touched is one run, whatever its length.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from millrace.audit.verdict import CHANGED, INSERTED, REMOVED, REORDERED, UNLINKED, Broken
from millrace.core.audit import Head, Line

# Of changed lines, whose content is compared with the numbers of the other changed ones.
_MOST_COMPARED = 100
# Of runs, which are compared with each other: a chain in more pieces is broken enough by what is told of these.
_MOST_RUNS = 500


@dataclass(slots=True)
class Run:
    """Lines that stand behind each other and were written so: the first one, and the end."""

    first: Line
    last: Head

    def goes_on_with(self, line: Line) -> bool:
        """Whether a line was written behind the last one."""
        return line.number == self.last.number + 1 and (line.previous, line.previous_at) == self.last[1:]

    def overlaps(self, other: "Run") -> bool:
        """Whether two have a number in common."""
        return self.first.number <= other.last.number and other.first.number <= self.last.number


@dataclass(slots=True)
class Order:
    """The lines of a chain as they are stored.

    Attributes:
        org: the tenant.
        runs: in their places.
        changed: lines whose hash is not that of their content.
        renumbered: lines whose content is that of another number, as they were written, and the number that they have.
    """

    org: str
    runs: list[Run] = field(default_factory=list)
    changed: list[Line] = field(default_factory=list)
    renumbered: list[tuple[Line, int]] = field(default_factory=list)

    def add(self, line: Line) -> None:
        """Takes the next line."""
        if line.hash != line.expected:
            line = self._as_written(line)
        if self.runs and self.runs[-1].goes_on_with(line):
            self.runs[-1].last = line.head
        else:
            self.runs.append(Run(line, line.head))

    def _as_written(self, line: Line) -> Line:
        behind = self.runs[-1].last.number + 1 if self.runs else 1
        for number in (behind, line.number - 1, line.number + 1):
            written = replace(line, number=number)
            if written.expected == line.hash:
                self.renumbered.append((written, line.number))
                return written
        self.changed.append(line)
        return line

    def problems(self, first: int, *, may_begin_later: bool) -> Iterator[Broken]:
        """What is wrong with the lines and their order.

        Args:
            first: the number that they begin at.
            may_begin_later: whether lines before the first one may be gone.
        """
        most = min(len(self.runs) - 1, _MOST_RUNS)
        strangers = {place for place in range(1, most) if self._is_stranger(place)}
        for place in sorted(strangers):
            yield self._inserted(
                self.runs[place], "it was not written between the lines that it stands between"
            )
        kept = [run for place, run in enumerate(self.runs) if place not in strangers]
        yield from self._contents()
        yield from self._places(kept[:_MOST_RUNS])
        yield from self._links(kept[:_MOST_RUNS])
        yield from self._gaps(kept, first, may_begin_later=may_begin_later)

    def _is_stranger(self, place: int) -> bool:
        """Whether the runs around fit each other, and nothing fits before this one."""
        before, run, behind = self.runs[place - 1 : place + 2]
        if not before.goes_on_with(behind.first):
            return False
        others = [one for one in self.runs[: _MOST_RUNS + 1] if one is not run]
        begins = all(one.first.number > run.last.number for one in others)
        return not begins and not any(one.goes_on_with(run.first) for one in others)

    def _contents(self) -> Iterator[Broken]:
        numbers = [line.number for line in self.changed[:_MOST_COMPARED]]
        for place, line in enumerate(self.changed):
            others = numbers if place < _MOST_COMPARED else []
            at = next((n for n in others if replace(line, number=n).expected == line.hash), None)
            if at is None:
                yield Broken(CHANGED, "its hash is not that of its content", self.org, line.number)
            else:
                yield Broken(REORDERED, f"it was written as line {at}", self.org, line.number)
        for line, number in self.renumbered:
            why = f"it has the number {number} and was written as line {line.number}"
            yield Broken(REORDERED, why, self.org, line.number)

    def _places(self, runs: list[Run]) -> Iterator[Broken]:
        told = {line.number for line, _ in self.renumbered}
        for place, run in enumerate(runs[1:], start=1):
            same = next((one for one in runs[:place] if one.overlaps(run)), None)
            if same is not None:
                low = max(run.first.number, same.first.number)
                high = min(run.last.number, same.last.number)
                why = f"{numbers_text(low, high)} {'stands' if low == high else 'stand'} here more than once"
                yield Broken(INSERTED, why, self.org, low)
                continue
            before = max(one.last.number for one in runs[:place])
            if run.first.number < before and run.first.number not in told:
                what = numbers_text(run.first.number, run.last.number)
                verb = "stands" if run.first.number == run.last.number else "stand"
                why = f"{what} {verb} behind line {before}"
                yield Broken(REORDERED, why, self.org, run.first.number)

    def _links(self, runs: list[Run]) -> Iterator[Broken]:
        doubtful = {line.number for line in self.changed}
        for run in runs:
            number = run.first.number
            before = [one for one in runs if one.last.number == number - 1]
            twice = any(one is not run and one.overlaps(run) for one in runs)
            if not before or twice or {number, number - 1} & doubtful:
                continue
            if not any(one.goes_on_with(run.first) for one in before):
                why = f"it was not written behind line {number - 1} as that stands here"
                yield Broken(UNLINKED, why, self.org, number)

    def _gaps(self, runs: list[Run], first: int, *, may_begin_later: bool) -> Iterator[Broken]:
        end = first - 1
        for place, run in enumerate(sorted(runs, key=lambda one: one.first.number)):
            if run.first.number > end + 1 and (place or not may_begin_later):
                yield missing(self.org, end + 1, run.first.number - 1)
            end = max(end, run.last.number)

    def _inserted(self, run: Run, why: str) -> Broken:
        return Broken(INSERTED, why, self.org, run.first.number)


def missing(org: str, low: int, high: int, more: str = "") -> Broken:
    """That lines are not there; `more` goes on with the sentence."""
    verb = "is" if low == high else "are"
    return Broken(REMOVED, f"{numbers_text(low, high)} {verb} missing{more}", org, low)


def numbers_text(low: int, high: int) -> str:
    """`line 3`, or `lines 3 to 5`."""
    return f"line {low:,}" if low == high else f"lines {low:,} to {high:,}"
