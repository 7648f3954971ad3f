"""Stages a decision in a transaction of the table, and finds the partitions that foreign code does not take."""

from collections.abc import Sequence

from pyiceberg.table import Transaction

from millrace.contracts.tables import LakeTable
from millrace.core import isolate
from millrace.core.errors import in_a_line
from millrace.iceberg import replace, shape
from millrace.iceberg.commit_decision import CommitDecision, CommitFacts, decide
from millrace.iceberg.commit_request import CommitRequest
from millrace.iceberg.data_file import Partition
from millrace.iceberg.layout import DEFINITION, RUN
from millrace.iceberg.retry import NOT_OF_A_PART
from millrace.iceberg.tables import OpenTable


def evolved(opened: OpenTable, contract: LakeTable) -> Transaction:
    """A transaction that brings the table to the shape of its contract.

    Raises:
        PermanentError: it cannot become what its contract says.
    """
    transaction = opened.transaction()
    shape.evolve(transaction, contract)
    return transaction


def stage(opened: OpenTable, contract: LakeTable, run: str, decision: CommitDecision) -> Transaction:
    """A transaction with everything that the commit changes."""
    transaction = evolved(opened, contract)
    shape.require(transaction, contract, decision.files)
    if decision.makes_snapshot:
        added = [file.iceberg for file in decision.added]
        replace.replace(transaction, opened, decision.removed, added, _summary(run, decision.request))
    if decision.properties:
        transaction.set_properties(dict(decision.properties))
    return transaction


def refused(
    opened: OpenTable, contract: LakeTable, run: str, request: CommitRequest, facts: CommitFacts
) -> dict[Partition, str]:
    """The partitions that cannot be staged by themselves, each with the error."""

    def attempt(some: Sequence[Partition]) -> None:
        stage(opened, contract, run, decide(request.only(some), facts))

    errors = isolate.failing(sorted(request.parts, key=str), attempt, NOT_OF_A_PART)
    return {partition: in_a_line(error) for partition, error in errors.items()}


def _summary(run: str, request: CommitRequest) -> dict[str, str]:
    """The properties of the snapshot."""
    parts = request.all_parts
    properties = {
        RUN: run,
        "millrace.rows-in": str(sum(part.rows_in for part in parts)),
        "millrace.rows": str(sum(part.rows for part in parts)),
        "millrace.duplicates": str(sum(part.duplicates for part in parts)),
        "millrace.dead": str(sum(part.dead for part in parts)),
    }
    named = {"millrace.manifest": request.manifest, DEFINITION: request.definition}
    return properties | {name: value for name, value in named.items() if value}
