"""Whether the contracts of this checkout may be deployed over what an environment has; what to do if not, in a sentence each."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cli.account import Finding, deployed_template
from cli.announcement import with_version
from cli.errors import RefusedError
from millrace.compiler import deployed, publications
from millrace.compiler.deployed import Comparison, Deployed
from millrace.compiler.diff import Breaking
from millrace.compiler.event_contracts import compile_contracts, compile_document, file_of
from millrace.compiler.readers import READ
from millrace.compiler.table_contracts import compile_tables
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError
from millrace.core import clock

# The end of an event contract's name; a table has no majors.
_MAJOR = re.compile(r"\.v[0-9]+$")


def in_environment(cloudformation: Any, env: str) -> tuple[Deployed | None, str]:
    """The contracts that an environment has, with a name for them; None where nothing is known, and then why.

    Raises:
        RefusedError: CloudFormation did not say: what is not compared is not deployed.
    """
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

    try:
        template = deployed_template(cloudformation, f"millrace-{env}-ingestion")
    except EndpointConnectionError:
        # Without a platform every command ends with the same message; see `cli.main`.
        raise
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(
            f"what is deployed in {env} cannot be read, so nothing was compared: {error}"
        ) from error
    if template is None:
        return None, f"{env} was never deployed: nothing to compare with"
    packed = template.get("Metadata", {}).get(deployed.METADATA)
    if packed is None:
        return None, f"{env} was deployed by a version that recorded no contracts: nothing to compare with"
    return deployed.unpack(packed), f"what is deployed in {env}"


def compare(before: Deployed | None, schemas: Path) -> Comparison:
    """The checkout against what is deployed, or another revision; None is nothing, which forbids nothing.

    Raises:
        ContractError: one of the two does not compile.
    """
    if before is None:
        return Comparison([], [], {})
    contracts, tables = compile_contracts(schemas), compile_tables(schemas)
    return deployed.compare_with(before, schemas, contracts, tables, clock.now().date())


def check(cloudformation: Any, env: str, schemas: Path) -> str:
    """Compares with an environment before it is deployed to; returns what it was compared with.

    Raises:
        RefusedError: with each reason, and its remedy, on a line.
    """
    before, where = in_environment(cloudformation, env)
    try:
        comparison = compare(before, schemas)
        lines = [*reasons(comparison, f" --env {env}")]
        if not lines:
            problems = publications.problems(compile_contracts(schemas), schemas)
            lines = [f"{one}; millrace contracts diff --env {env} --fix does it" for one in problems]
    except ContractError as error:
        raise RefusedError(f"the contracts cannot be compared with {where}:\n{error}") from error
    if lines:
        raise RefusedError("\n".join(["the contracts may not be deployed, and nothing was:", *lines]))
    return where


def finding(cloudformation: Any, env: str, schemas: Path) -> Finding:
    """The same, as a check of an account."""
    try:
        return "ok", check(cloudformation, env, schemas)
    except RefusedError as error:
        return "fail", str(error)


def reasons(comparison: Comparison, option: str) -> Iterator[str]:
    """A line for each reason: what, why, and what to do. `option` is the one of `contracts diff` that compares alike."""
    for one in comparison.breaking:
        way_out = remedy(one, comparison, option)
        yield f"{one.contract} {one.pointer or '/'}: {one.reason}" + (f"; {way_out}" if way_out else "")


def remedy(reason: Breaking, comparison: Comparison, option: str) -> str:
    """What to do about a reason; empty where another reason of the same contract says it."""
    name, _, major = reason.contract.rpartition(".v") if _MAJOR.search(reason.contract) else ("", "", "")
    if reason.kind == "version":
        version = comparison.versions.get(reason.contract)
        return f"bump to {version}: millrace contracts diff{option} --fix writes it" if version else ""
    if reason.kind == "published":
        return "restore its file below schemas/published from git, and raise the contract's version instead"
    if reason.kind == "retirement":
        return f"millrace contracts announce {name} with a later day postpones it"
    if reason.kind == "moved":
        return "leave the old fields in their order, and put new ones behind them"
    if reason.kind == READ:
        return "keep the field, or have that file read another one first"
    if reason.contract.startswith("aggregates."):
        return "keep it, and write an aggregate of another name beside it"
    if not major:
        return "keep it, and write a table of another name beside it"
    if reason.kind == "removed" and not reason.pointer:
        return f"keep its file; to end it: millrace contracts announce {name} --major {int(major) + 1}"
    return (
        f"write it as a new major, v{int(major) + 1}.yaml beside it, and end the old one with: "
        f"millrace contracts announce {name} --major {int(major) + 1}"
    )


def fix(before: Deployed | None, schemas: Path) -> list[str]:
    """Raises the version of each contract that needs nothing else, and publishes; returns what was written.

    Raises:
        ContractError: something does not compile.
        RefusedError: a file is not written line by line.
    """
    comparison = compare(before, schemas)
    # A broken promise is not published as if a number mended it.
    broken = {one.contract for one in comparison.breaking} - comparison.versions.keys()
    contracts = [one for one in compile_contracts(schemas) if one.name not in broken]
    versions = {**dict(_republished(contracts, schemas)), **comparison.versions}
    written = []
    for one in contracts:
        if (raised := versions.get(one.name)) is not None:
            path = file_of(one, schemas)
            text = with_version(path.read_text(encoding="utf-8"), raised)
            if f"version: {raised}" not in text:
                raise RefusedError(f"{path} has no line version: {one.version}; write {raised} there")
            path.write_text(text, encoding="utf-8")
            written.append(f"{one.name}: {one.version} is now {raised}")
    paths = publications.publish(
        [one for one in compile_contracts(schemas) if one.name not in broken], schemas
    )
    return [*written, *(str(path.relative_to(schemas.parent)) for path in paths)]


def _republished(contracts: Sequence[Contract], schemas: Path) -> Iterator[tuple[str, str]]:
    """Contracts whose version is published with other texts, and the version that they need."""
    known = {(one.event_type, one.version): one for one in publications.published(schemas)}
    names = {f"{event_type} {version}" for event_type, version in known}
    for contract in contracts:
        one = known.get((contract.event_type, contract.version))
        if one is not None and publications.forms(contract, schemas) != one.texts:
            old = compile_document(json.loads(one.texts["odcs"]), contract.name)
            yield contract.name, deployed.free_version(old, contract, names)
