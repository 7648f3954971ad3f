"""`python -m tests.support.mutants [WORD …]`: plants each fault, or those whose name or promise has a word.

Before that the tests run without any fault, so that what fails afterwards fails because of one. Ends with 1 where a fault is
not found.
"""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from rich.console import Console

from tests.support.mutants.mutant import Mutant, MutantError, Verdict, checkout, tests_fail, tried
from tests.support.mutants.planted import MUTANTS

BESIDE_EACH_OTHER = 2


def main(words: list[str]) -> int:
    """Tries the faults, two at a time."""
    console = Console(soft_wrap=True)
    chosen = [
        one for one in MUTANTS if not words or any(word in f"{one.promise} {one.name}" for word in words)
    ]
    if not chosen:
        console.print("no planted fault has such a name or promise", style="red")
        return 1
    missed = 0
    with tempfile.TemporaryDirectory(prefix="millrace-mutants-") as folder, ExitStack() as stack:
        free: SimpleQueue[Path] = SimpleQueue()
        for number in range(BESIDE_EACH_OTHER):
            free.put(stack.enter_context(checkout(Path(folder) / str(number))))

        sound = free.get()
        tests = dict.fromkeys(name for one in chosen for name in one.tests)
        without = tests_fail(tests, sound, "-n", str(BESIDE_EACH_OTHER))
        free.put(sound)
        if without.found:
            console.print(without.output, markup=False)
            console.print("these tests fail without any fault", style="red")
            return 1

        def one(mutant: Mutant) -> Verdict | MutantError:
            copy = free.get()
            try:
                return tried(mutant, copy)
            except MutantError as error:
                return error
            finally:
                free.put(copy)

        with ThreadPoolExecutor(BESIDE_EACH_OTHER) as pool:
            for mutant, verdict in zip(chosen, pool.map(one, chosen), strict=True):
                if isinstance(verdict, Verdict) and verdict.found:
                    console.print(
                        f"found    {mutant.promise:<10} {mutant.name} ({verdict.seconds:.0f} s)", markup=False
                    )
                    continue
                missed += 1
                reason = verdict if isinstance(verdict, MutantError) else "its tests pass"
                console.print(
                    f"MISSED   {mutant.promise:<10} {mutant.name}: {reason}", style="red", markup=False
                )
    console.print(f"{len(chosen) - missed} of {len(chosen)} planted faults were found")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
