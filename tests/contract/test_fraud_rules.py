"""A version of the fraud rules never changes: decisions name it, and are derived again by it."""

from pathlib import Path

from millrace.compiler.fraud_rules import compile_rulebook
from millrace.fraud.rulebook import Rulebook

SCHEMAS = Path(__file__).parents[2] / "schemas"
# Every version that was ever in force, with its digest. The list only grows; a changed rule is a new version.
EVER = {"1.0.0": "1296e359a19e"}


def test_each_version_is_there_and_as_it_was() -> None:
    document = compile_rulebook(SCHEMAS)
    book = Rulebook(document)
    assert {version: book.version(version).digest for version in EVER} == EVER
    assert book.default.version in EVER, "a new version stands in this list from its first day"
