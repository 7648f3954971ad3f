"""A source of kind postgres is read through intake by an operator, with rights to the stores of the platform."""

import os
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cli import operators
from cli.errors import UsageError

if TYPE_CHECKING:
    from cli.target import Target
    from millrace.cdc.reader import Report
    from millrace.cdc.states import States
    from millrace.feeders.binding import Binding


def states(target: "Target") -> "States":
    """Places of sources."""
    from millrace.cdc.states import States
    from millrace.core.table import Table

    return States(Table(target.client("dynamodb"), target.output("MetadataTable")))


def read(target: "Target", schemas: Path, name: str, seconds_left: Callable[[], float]) -> "Report":
    """Reads a source once, with the contracts of a checkout.

    Args:
        target: the platform.
        schemas: the folder of contracts and sources.
        name: of the source.
        seconds_left: of the time it may take.

    Raises:
        UsageError: there is no such source here, or a contract is wrong.
        MillraceError: the database or a store did not answer; the next run goes on from there.
    """
    from cli.platform_intake import intake
    from millrace.cdc import reading
    from millrace.compiler.bundle import assemble_contracts
    from millrace.contracts.errors import ContractError
    from millrace.contracts.registry import Registry
    from millrace.core.table import Table
    from millrace.privacy import purposes

    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder)
        try:
            assemble_contracts(schemas, bundle)
            source = binding(schemas, name, target.env)
        except ContractError as error:
            raise UsageError(str(error)) from error
        registry = Registry(bundle)
        known = {contract.event_type for contract in registry.contracts}
        reader = reading.reader(
            source,
            target.env,
            lambda: passwords(target, name),
            states(target),
            intake(target, registry, purposes.load(bundle)),
            known.__contains__,
        )
        metadata = Table(target.client("dynamodb"), target.output("MetadataTable"))
        operators.audit(metadata, source.org, "sources.read", {"source": name})
        return reader.run(f"cli-{uuid.uuid4()}", seconds_left)


def passwords(target: "Target", name: str) -> tuple[str, ...]:
    """PGPASSWORD, where it is set; else what `millrace sources secret` has stored, the newest first."""
    from millrace.core import clock
    from millrace.webhooks.secrets import SecretStore, prefix

    if "PGPASSWORD" in os.environ:
        return (os.environ["PGPASSWORD"],)
    return SecretStore(target.client("secretsmanager"), prefix(target.env)).good(name, clock.now())


def binding(schemas: Path, name: str, env: str) -> "Binding":
    """A source of kind postgres of an environment.

    Raises:
        UsageError: there is none.
    """
    from millrace.compiler.sources import DEFINITIONS, compiled
    from millrace.feeders.binding import Binding

    read_files, problems = DEFINITIONS.read(schemas)
    if problems:
        raise UsageError("\n".join(problem.sentence for problem in problems))
    found = {
        one.name: Binding.from_json(compiled(one))
        for one in read_files.values()
        if one.postgres is not None and env in one.environments
    }
    if name not in found:
        listed = ", ".join(sorted(found)) or "there is none"
        raise UsageError(f"no source of kind postgres in {env} is called {name}: {listed}")
    return found[name]
