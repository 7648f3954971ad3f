"""Every planted fault can be planted: its text stands in its file once, and its tests are there."""

from collections import Counter

import pytest

from tests.support.mutants.mutant import ROOT, Mutant, changed
from tests.support.mutants.planted import MUTANTS

FEWEST = 40
GUARANTEES = {f"G{number}" for number in range(1, 11)}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_can_be_planted(mutant: Mutant) -> None:
    assert changed(mutant) != (ROOT / mutant.file).read_text()
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / file).read_text()


def test_every_guarantee_has_a_fault() -> None:
    assert {mutant.promise for mutant in MUTANTS} >= GUARANTEES
    assert len(MUTANTS) >= FEWEST


def test_no_two_faults_are_called_alike() -> None:
    assert [name for name, times in Counter(mutant.name for mutant in MUTANTS).items() if times > 1] == []
