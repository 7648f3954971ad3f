"""The planted faults."""

from tests.support.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "the second event under an id overwrites the first",
        "G2",
        "layers/millrace/python/millrace/eventstore/append.py",
        'ConditionExpression="attribute_not_exists(eventId)",',
        'ConditionExpression="attribute_not_exists(eventId) OR attribute_exists(eventId)",',
        ("tests/unit/eventstore/test_append.py", "tests/integration/test_slice.py"),
    ),
)
