"""Shows the steps of `up` and `down` with their seconds, and what to do when one fails."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from cli.errors import CommandError


class StepError(CommandError):
    """A step failed; holds its log and what to do about it."""

    def __init__(self, message: str, *, log: Path | None = None, way_out: str = "") -> None:
        super().__init__(message)
        self.log = log
        self.way_out = way_out


class Step:
    """A step in progress; `note` is shown after its name when it has ended, `complete` says whether all of it is done."""

    def __init__(self) -> None:
        self.note, self.complete = "", True


class Steps:
    """One line a step on a console; a spinner while it runs, where the console is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the first step."""
        return time.monotonic() - self._started

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Runs a step; a failure is shown with the last lines of its log and passed on."""
        started = time.monotonic()
        step = Step()
        try:
            with self._console.status(f"{name} …"):
                yield step
        except BaseException as error:
            self._line("✗", "red", name, started, "stopped" if isinstance(error, KeyboardInterrupt) else "")
            if isinstance(error, StepError) and error.log is not None:
                self._tail(error.log)
            raise
        mark, style = ("✓", "green") if step.complete else ("!", "yellow")
        self._line(mark, style, name, started, step.note)

    def _line(self, mark: str, style: str, name: str, started: float, note: str) -> None:
        seconds = f"{time.monotonic() - started:6.1f} s"
        self._console.print(f"[{style}]{mark}[/] {name:<34}[dim]{seconds}[/]  {note}".rstrip())

    def _tail(self, log: Path, lines: int = 20) -> None:
        for line in last_lines(log, lines):
            self._console.print(f"    {line}", style="dim", markup=False)
        self._console.print(f"    the full log: {log}", style="dim", markup=False)


def last_lines(log: Path, count: int) -> list[str]:
    """The last lines of a log, none if it is not there."""
    try:
        return log.read_text(errors="replace").splitlines()[-count:]
    except OSError:
        return []
