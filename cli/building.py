"""What is written from the contracts and committed with them: their published texts, dictionaries, dbt's files, pins of aggregates, patterns, Sigma rules and feature views."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import RefusedError, UsageError
from cli.places import Places
from cli.revisions import default_base, schemas_at

if TYPE_CHECKING:
    from millrace.contracts.contract import Contract

# `order.created 1.2.0` or `features/customer_orders@1` → the option of `contracts diff` that compares with what has it.
Kept = Mapping[str, str]


def build(root: Path) -> list[Path]:
    """Writes whatever is missing or out of date.

    A version that neither the base revision has nor the local platform is still being written: the published text follows
    its contract, and the pin its definition. Others stay as they are, for rows and readers name them.

    Returns:
        The files that were written.

    Raises:
        ContractError: the contracts do not compile.
        WarehouseError: the tables do not.
        RefusedError: a contract has changed, and its version is committed or deployed; nothing is written.
    """
    from millrace.compiler import aggregates, feature_views, patterns, publications, samples
    from millrace.compiler.dictionaries import new_dictionary
    from millrace.compiler.event_contracts import compile_contracts, file_of
    from millrace.compiler.sigma import compile as sigma

    schemas = root / "schemas"
    contracts = compile_contracts(schemas)
    kept = _kept(root)
    if kept is not None and (sentences := [*_changed(contracts, schemas, kept)]):
        raise RefusedError("\n".join(sentences))
    before = _contents(root)
    for contract in contracts:
        path = schemas / publications.FOLDER / contract.event_type / f"{contract.version}.json"
        if kept is not None and path.exists() and f"{contract.event_type} {contract.version}" not in kept:
            path.unlink()
    publications.publish(contracts, schemas)
    for contract in contracts:
        if contract.store == "table" and not contract.dictionary:
            new_dictionary(contract, samples.golden(file_of(contract, schemas)), schemas)
    if (schemas / aggregates.FOLDER).is_dir():
        aggregates.pin(schemas, contracts, kept)
        _macros(root, contracts)
    if (schemas / patterns.FOLDER).is_dir():
        patterns.pin(schemas, contracts, kept)
    if (schemas / "sigma").is_dir():
        sigma.pin(schemas, contracts, kept)
    if (schemas / feature_views.FOLDER).is_dir():
        feature_views.pin(schemas, kept)
    if (root / "warehouse").is_dir():
        _dbt_files(root)
    return sorted(path for path, text in _contents(root).items() if before.get(path) != text)


def _macros(root: Path, contracts: "Sequence[Contract]") -> None:
    from millrace.compiler.warehouse import aggregate_macros

    path = root / "warehouse" / aggregate_macros.FILE
    if path.parent.is_dir():
        path.write_text(aggregate_macros.of(root / "schemas", contracts), encoding="utf-8")


def _dbt_files(root: Path) -> None:
    from cli.warehouse import generated
    from millrace.compiler.table_contracts import lake_tables
    from millrace.compiler.warehouse.compile import compile_project

    tables = {table.full_name: table for table in lake_tables(root / "schemas")}
    source = root / "warehouse"
    generated.write(source, compile_project(source, tables.values()), tables)


def _changed(contracts: "Sequence[Contract]", schemas: Path, kept: Kept) -> Iterator[str]:
    """A sentence for each contract that is no longer what its version is known as."""
    from millrace.compiler import publications

    known = {f"{one.event_type} {one.version}": one for one in publications.published(schemas)}
    for contract in contracts:
        name = f"{contract.event_type} {contract.version}"
        if name in kept and name in known and publications.forms(contract, schemas) != known[name].texts:
            place = "is deployed here" if kept[name] else "is committed"
            yield (
                f"{contract.name}: {contract.version} {place}, and the contract has changed since; "
                f"millrace contracts diff{kept[name]} --fix raises its version"
            )


def _kept(root: Path) -> Kept | None:
    """What must stay; None where there is no base revision to ask."""
    from millrace.compiler import deployed, pins, publications

    try:
        with schemas_at(root, default_base(root)) as folder:
            published = publications.published(folder) if folder is not None else []
            pinned = pins.read_all(folder) if folder is not None else {}
    except (RefusedError, UsageError):
        return None
    # What the last `make up` deployed; `make reset` removes it.
    template = Places(root).assembly / "millrace-local-ingestion.template.json"
    local = template.is_file() and json.loads(template.read_bytes()).get("Metadata", {}).get(
        deployed.METADATA
    )
    names = [*deployed.unpack(local).published, *deployed.unpack(local).pins] if local else []
    committed = [*(f"{one.event_type} {one.version}" for one in published), *pinned]
    return {**dict.fromkeys(names, " --env local"), **dict.fromkeys(committed, "")}


def _contents(root: Path) -> dict[Path, bytes]:
    written = ("published", "dictionaries", "aggregates", "features", "patterns", "sigma")
    folders = (*(f"schemas/{name}" for name in written), "warehouse/models/generated", "warehouse/macros")
    return {
        path: path.read_bytes() for name in folders for path in (root / name).rglob("*") if path.is_file()
    }
