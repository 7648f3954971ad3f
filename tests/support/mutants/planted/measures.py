"""Faults of what windows say of steps, of interest that fades and of levels."""

from tests.support.mutants.mutant import LAYER, Mutant

MUTANTS = (
    Mutant(
        "a session is kept that a part has left events of out",
        "measure",
        f"{LAYER}/aggregates/funnels.py",
        "if name >= state.below:",
        "if name > _ALL:",
        ("tests/unit/aggregates/test_funnels.py",),
    ),
    Mutant(
        "of steps between only the last moment of a tile is kept",
        "measure",
        f"{LAYER}/aggregates/funnels.py",
        "else MOMENTS\n",
        "else 0\n",
        ("tests/unit/aggregates/test_funnels.py",),
    ),
    Mutant(
        "an answer that depends on moments left out passes for exact",
        "measure",
        f"{LAYER}/aggregates/funnels.py",
        "                    certain = False",
        "                    certain = True",
        ("tests/unit/aggregates/test_funnels.py",),
    ),
    Mutant(
        "tiles fade by the beginning of the window",
        "measure",
        f"{LAYER}/aggregates/answers.py",
        "self._aged(several, end - tile)",
        "self._aged(several, tile - start)",
        ("tests/unit/aggregates/test_reads.py",),
    ),
    Mutant(
        "of two adjustments at once the greater level is the latest",
        "measure",
        f"{LAYER}/aggregates/fold.py",
        "[at, event[EVENT_ID], one]",
        '[at, "", one]',
        ("tests/unit/aggregates/test_fold.py",),
    ),
    Mutant(
        "a flight that is over goes on spending",
        "measure",
        f"{LAYER}/aggregates/derived.py",
        "if at >= until:",
        "if at > until + 1e12:",
        ("tests/unit/aggregates/test_derived.py",),
    ),
)
