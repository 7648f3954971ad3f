"""Every engine that this machine can run, asked about every table after each change of the lake; a table of what came of it."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import client, deployed, environ
from tests.interop.engines import ENGINES, Engine, MissingError
from tests.interop.platform import EVOLVED, Platform
from tests.interop.readers import facts
from tests.support.client import Client
from tests.support.emulator import pointed_at

# Fixtures, which pytest finds by these names.
__all__ = ["client", "deployed", "environ"]

# What an engine is known to read wrong: pyiceberg 0.12 makes empty lists of absent ones where the items are structs.
KNOWN = {"pyiceberg": frozenset({"nulls(engine_compatibility)"})}
MOMENTS = ("first run", "second run", "back to the first", "evolved", "back before it evolved")


@dataclass
class Readings:
    """What each engine answers at a moment, table by table, and what is right."""

    right: dict[str, facts.Facts]
    answers: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)


@dataclass
class Interop:
    """What each engine answered at each moment; of each engine the version, or why it is missing."""

    moments: dict[str, Readings] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def wrong(self, engine: str, moment: str) -> dict[str, str]:
        """The tables that an engine does not read as they are, each with a difference."""
        readings = self.moments[moment]
        compared = (
            (table, readings.answers[engine][table], right) for table, right in readings.right.items()
        )
        known = KNOWN.get(engine, frozenset())
        return {
            table: text for table, answer, right in compared if (text := _difference(answer, right, known))
        }


RESULT = pytest.StashKey[Interop]()


@pytest.fixture(scope="session")
def interop(
    client: Client, environ: dict[str, str], bundle: Path, request: pytest.FixtureRequest
) -> Iterator[Interop]:
    """All answers."""
    result = request.config.stash[RESULT] = Interop()
    with pointed_at(client.endpoint), ExitStack() as running:
        platform = Platform(client, environ)
        engines = []
        for name in ENGINES:
            try:
                engine = Engine.start(name, client.endpoint)
            except MissingError as error:
                result.missing[name] = str(error)
                continue
            running.callback(engine.stop)
            result.versions[name] = engine.version
            engines.append(engine)

        def ask(moment: str, questions: list[dict[str, Any]], right: dict[str, facts.Facts]) -> None:
            readings = result.moments[moment] = Readings(right)
            for engine in engines:
                answers = engine.ask(questions)
                readings.answers[engine.name] = {
                    question["table"]: answer for question, answer in zip(questions, answers, strict=True)
                }

        def now(moment: str, *tables: str) -> list[dict[str, Any]]:
            questions = platform.questions(*tables)
            ask(moment, questions, {question["table"]: platform.right(question) for question in questions})
            return questions

        def back(moment: str, former: list[dict[str, Any]], of: str, *tables: str) -> None:
            # Of the metadata file that is current now, as everybody finds it.
            current = {one["table"]: one["metadata"] for one in platform.questions(*tables)}
            questions = [
                {**one, "metadata": current[one["table"]], "snapshot": one["current"]}
                for one in former
                if one["table"] in current
            ]
            before = result.moments[of].right
            ask(moment, questions, {one["table"]: before[one["table"]] for one in questions})

        platform.run()
        first = now("first run")
        platform.run()
        second = now("second run")
        back("back to the first", first, "first run")
        platform.evolve()
        now("evolved", EVOLVED)
        back("back before it evolved", second, "second run", EVOLVED)
        yield result


def _difference(answer: dict[str, Any], right: facts.Facts, known: Collection[str]) -> str:
    if "error" in answer:
        return str(answer["error"])
    theirs, ours = facts.normal(answer["facts"]), facts.normal(right)
    if set(theirs) != set(ours):
        return f"tenants {sorted(theirs)}, not {sorted(ours)}"
    differ = [
        f"{org}: {label} is {theirs[org].get(label)} and not {value}"
        for org, own in ours.items()
        for label, value in own.items()
        if theirs[org].get(label) != value and label not in known
    ]
    return "; ".join(differ[:5])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table: engine, version, moment, tables, rows, whether all is the same."""
    result = config.stash.get(RESULT, None)
    if result is None:
        return
    terminalreporter.section("what the engines read")
    line = "{:<10} {:<22} {:<24} {:>6} {:>8}  {}"
    terminalreporter.write_line(line.format("engine", "version", "moment", "tables", "rows", "same?"))
    for engine in ENGINES:
        if reason := result.missing.get(engine):
            terminalreporter.write_line(line.format(engine, "", "", "", "", f"skipped: {reason}"))
            continue
        for moment, readings in result.moments.items():
            counts = [own["rows"] for right in readings.right.values() for own in right.values()]
            wrong = result.wrong(engine, moment)
            same = (
                f"no: {', '.join(wrong)}" if wrong else "yes, but known faults" if engine in KNOWN else "yes"
            )
            total = sum(int(count or 0) for count in counts)
            version = result.versions[engine]
            terminalreporter.write_line(
                line.format(engine, version, moment, len(readings.right), total, same)
            )
