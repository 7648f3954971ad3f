"""From `schemas/events/<family>/<type>/v<major>.yaml` to contracts of events.

Each file is validated against the standard's own JSON Schema before anything is read from it, so a misspelt key is an
error and not a constraint that is silently absent.
"""

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from millrace.compiler import (
    contract_checks,
    dictionaries,
    odcs,
    properties,
    purposes,
    retirements,
    up_converters,
    users,
)
from millrace.compiler.documents import yaml_document
from millrace.compiler.fields import Translation
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem

FILE = re.compile(r"v([1-9][0-9]*)\.yaml")


def compile_contracts(schemas_dir: Path) -> list[Contract]:
    """Every contract below `events/`, by type and major.

    Raises:
        ContractError: with every problem of every file.
    """
    problems: list[ContractProblem] = []
    compiled: dict[str, Contract] = {}
    places: dict[str, str] = {}
    for path in contract_files(schemas_dir):
        try:
            contract = compile_file(path, schemas_dir)
        except ContractError as error:
            problems += error.problems
            continue
        if contract.name in compiled:
            problems.append(
                ContractProblem(str(path.relative_to(schemas_dir)), "/id", f"{contract.name} has two files")
            )
        compiled[contract.name] = contract
        places[contract.name] = str(path.relative_to(schemas_dir))
    if problems:
        # A reference to a file that does not compile would lead nowhere, too.
        raise ContractError(problems)
    for name, sentence in (
        *contract_checks.references(compiled.values()),
        *retirements.references(compiled.values()),
        *up_converters.references(compiled.values()),
        *purposes.references(compiled.values(), purposes.compile_purposes(schemas_dir)),
    ):
        problems.append(ContractProblem(places[name], "/customProperties", sentence))
    for name, sentence in contract_checks.shared_names(compiled.values()):
        problems.append(ContractProblem(places[name], "/name", sentence))
    if problems:
        raise ContractError(problems)
    return sorted(compiled.values(), key=lambda contract: (contract.event_type, contract.major))


def contract_files(schemas_dir: Path) -> list[Path]:
    """The files of all event types, in order."""
    return sorted((schemas_dir / "events").glob("*/*/*.yaml"))


def file_of(contract: Contract, schemas_dir: Path) -> Path:
    """The file that describes a contract."""
    (file,) = (schemas_dir / "events").glob(f"*/{contract.event_type}/v{contract.major}.yaml")
    return file


def compile_file(path: Path, schemas_dir: Path) -> Contract:
    """One contract.

    Raises:
        ContractError: with every problem of the file.
    """
    name = str(path.relative_to(schemas_dir))
    contract = _compiled(path.read_bytes(), name)
    expected = f"events/{path.parent.parent.name}/{contract.event_type}/v{contract.major}.yaml"
    if name != expected or not FILE.fullmatch(path.name):
        raise ContractError(
            [ContractProblem(name, "/version", f"by its name and version this file is {expected}")]
        )
    return replace(contract, dictionary=dictionaries.current(contract.name, schemas_dir))


@lru_cache(maxsize=512)
def _compiled(text: bytes, name: str) -> Contract:
    """Once for two states of a folder that are compared: most of their files are the same."""
    return compile_document(yaml_document(text, name), name)


def compile_document(document: Any, name: str) -> Contract:
    """A contract from its parsed YAML, without a dictionary.

    Args:
        document: the parsed file.
        name: how messages call the file.

    Raises:
        ContractError: with every problem of the document.
    """
    findings = odcs.begin(document, name)
    report = findings.report
    values = properties.read(document, report)
    data, classification = _data(document, closed=values.additional_properties == "reject", report=report)
    findings.check()
    contract = Contract(
        event_type=document["name"],
        version=document["version"],
        category=values.category,
        store=values.store,
        indexes=values.indexes,
        entity=values.entity,
        route=values.route,
        subject=values.subject,
        user_id_pointer=values.user_id,
        partition_key=values.partition_key,
        additional_properties=values.additional_properties,
        lateness_seconds=values.lateness_seconds,
        retention_days=values.retention_days,
        data_schema=data,
        rules=values.rules,
        enrich=values.enrich,
        dictionary="",
        description=document.get("description", {}).get("purpose", "").strip(),
        classification=classification,
        silver=values.silver,
        derived=values.derived,
        tenant=values.tenant,
        ids=values.ids,
        retirement=values.retirement,
        consumers=values.consumers,
        up_converter=values.up_converter,
        consent=values.consent,
        users=values.users,
        not_users=values.not_users,
        personal_data=values.personal_data.action,
        personal_data_except=values.personal_data.exempt,
    )
    contract_checks.check(contract, report)
    findings.check()
    # Conditions ask for columns, which have to be right.
    properties_of = [one["property"] for one in document.get("customProperties", ())]
    for listed, at, sentence in users.problems(contract):
        report(f"/customProperties/{properties_of.index(listed)}/value/{at}", sentence)
    findings.check()
    return contract


def _data(document: dict[str, Any], *, closed: bool, report: Any) -> tuple[dict[str, Any], dict[str, str]]:
    at = "/schema/0/properties"
    translation = Translation(closed, report)
    parts = document["schema"][0].get("properties", []) if len(document.get("schema", [])) == 1 else []
    if [part["name"] for part in parts] not in (["payload"], ["payload", "metadata"]):
        report("/schema", "an event's schema is one object with the properties payload and, if any, metadata")
        return {}, {}
    for index, part in enumerate(parts):
        if part.get("logicalType") != "object" or "properties" not in part:
            report(f"{at}/{index}", f"{part['name']} is an object with properties")
    if not parts[0].get("required"):
        report(f"{at}/0", "an event has a payload: it is required")
    if "metadata" not in [part["name"] for part in parts]:
        parts = [*parts, {"name": "metadata", "logicalType": "object", "properties": []}]
    # Only payload and metadata reach the lake, so nothing else may stand beside them.
    data = translation.object_schema(parts, at, "/data")
    return {**data, "additionalProperties": False}, translation.classification
