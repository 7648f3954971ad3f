"""What is written from the contracts and committed with them: their published texts, dictionaries, dbt's files, pins of feature views."""

from pathlib import Path

from cli.errors import RefusedError
from cli.revisions import default_base, schemas_at


def build(root: Path) -> list[Path]:
    """Writes whatever is missing or out of date.

    A version that the base revision does not have is still being written: its published text follows the contract. One that
    it has stays as it is, and `contracts lint` asks for a new version.

    Returns:
        The files that were written.

    Raises:
        ContractError: the contracts do not compile.
        WarehouseError: the models do not.
    """
    from millrace.compiler import feature_views, publications, samples
    from millrace.compiler.dictionaries import new_dictionary
    from millrace.compiler.event_contracts import compile_contracts, file_of

    schemas = root / "schemas"
    contracts = compile_contracts(schemas)
    before = _contents(root)
    kept = _published_before(root)
    for contract in contracts:
        path = schemas / publications.FOLDER / contract.event_type / f"{contract.version}.json"
        if kept is not None and path.exists() and (contract.event_type, contract.version) not in kept:
            path.unlink()
    publications.publish(contracts, schemas)
    for contract in contracts:
        if contract.store == "table" and not contract.dictionary:
            new_dictionary(contract, samples.golden(file_of(contract, schemas)), schemas)
    if (schemas / "features").is_dir():
        feature_views.pin(schemas)
    if (root / "warehouse").is_dir():
        _dbt_files(root)
    return sorted(path for path, text in _contents(root).items() if before.get(path) != text)


def _dbt_files(root: Path) -> None:
    from cli.warehouse import generated
    from millrace.compiler.table_contracts import lake_tables
    from millrace.compiler.warehouse.compile import compile_project

    tables = {table.full_name: table for table in lake_tables(root / "schemas")}
    source = root / "warehouse"
    generated.write(source, compile_project(source, tables.values()), tables)


def _published_before(root: Path) -> set[tuple[str, str]] | None:
    """Type and version of what the base revision has published; None where there is no base to ask."""
    from millrace.compiler import publications

    try:
        with schemas_at(root, default_base(root)) as folder:
            known = publications.published(folder) if folder is not None else []
    except RefusedError:
        return None
    return {(one.event_type, one.version) for one in known}


def _contents(root: Path) -> dict[Path, bytes]:
    folders = ("schemas/published", "schemas/dictionaries", "schemas/features", "warehouse/models/generated")
    return {
        path: path.read_bytes() for name in folders for path in (root / name).rglob("*") if path.is_file()
    }
