"""Planted faults: changes of a database that are lost, come twice, or say something else."""

from tests.support.mutants.mutant import LAYER, Mutant

PROMISE = "change data capture"
CAPTURE = ("tests/integration/test_change_data_capture.py",)
CHANGES = ("tests/unit/cdc/test_messages.py",)
VALUES = ("tests/unit/cdc/test_values.py",)

MUTANTS = (
    Mutant(
        "a run goes on behind the change that it should begin with",
        PROMISE,
        f"{LAYER}/cdc/changes.py",
        "(begin.lsn, self._number) <= self._after",
        "(begin.lsn, self._number - 1) <= self._after",
        CHANGES,
    ),
    Mutant(
        "what is refused has another name each time it is judged",
        PROMISE,
        f"{LAYER}/cdc/reader.py",
        "moment = clock.parse(begun_at) if begun_at else self._now()",
        "moment = self._now()",
        CAPTURE,
    ),
    Mutant(
        "an error keeps the lease until its end",
        PROMISE,
        f"{LAYER}/cdc/reader.py",
        "                lease.release()",
        "                pass",
        CAPTURE,
    ),
    Mutant(
        "a slot that somebody else has read is read on",
        PROMISE,
        f"{LAYER}/cdc/reader.py",
        "if slot.confirmed > state.confirmed:",
        "if slot.confirmed > state.confirmed + 2**40:",
        CAPTURE,
    ),
    Mutant(
        "rows of a snapshot win over who was under way",
        PROMISE,
        f"{LAYER}/cdc/database.py",
        "if int(oldest) >= int(under_way) else known",
        "if int(oldest) >= 0 else known",
        CAPTURE,
    ),
    Mutant(
        "a table is walked in the order of its keys' texts",
        PROMISE,
        f"{LAYER}/cdc/database.py",
        'key = ", ".join(f"t.{_quoted(name)}" for name in table.key)',
        'key = ", ".join(_quoted(name) for name in table.key)',
        CAPTURE,
    ),
    Mutant(
        "a NULL in an array is a text",
        PROMISE,
        f"{LAYER}/cdc/values.py",
        'return None if found[0] == "NULL" else found[0], found.end()',
        "return found[0], found.end()",
        VALUES,
    ),
)
