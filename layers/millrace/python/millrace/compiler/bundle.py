"""From `schemas/` and `warehouse/` to the bundle that the functions read (`millrace.core.bundle`)."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from millrace.compiler import api_document, deployed, dictionaries, publications, retirements
from millrace.compiler.aggregates import compile_aggregates
from millrace.compiler.anomalies import compile_watches
from millrace.compiler.anonymised import compile_anonymised
from millrace.compiler.event_contracts import compile_contracts, file_of
from millrace.compiler.feature_views import compile_services, compile_views
from millrace.compiler.fraud_rules import compile_rulebook
from millrace.compiler.patterns import compile_patterns
from millrace.compiler.purposes import compile_purposes
from millrace.compiler.sources import compile_sources
from millrace.compiler.table_contracts import compile_tables
from millrace.compiler.type_names import compile_names
from millrace.compiler.webhooks import compile_webhooks
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.tables import LakeTable, silver_table, to_json
from millrace.core import bundle

# Name in the bundle → content.
Files = dict[str, bytes]


def assemble(schemas_dir: Path, warehouse_dir: Path, out_dir: Path) -> None:
    """Compiles everything and writes the bundle; the folder then holds nothing else.

    Raises:
        ContractError: with every problem of the first kind of file that has one.
        WarehouseError: with every problem of every table of the warehouse.
    """
    _write(compile_all(schemas_dir, warehouse_dir), out_dir)


def compile_all(schemas_dir: Path, warehouse_dir: Path) -> Files:
    """Everything compiled, as the bundle holds it.

    Raises:
        ContractError: with every problem of the first kind of file that has one.
        WarehouseError: with every problem of every table of the warehouse.
    """
    # What needs only contracts is compiled without parsers of policies, of SQL and of Sigma rules.
    from millrace.compiler.policies import compile_policies  # noqa: PLC0415
    from millrace.compiler.sigma.compile import compile_rules  # noqa: PLC0415
    from millrace.compiler.warehouse.compile import compile_project  # noqa: PLC0415

    contracts, tables = compile_contracts(schemas_dir), compile_tables(schemas_dir)
    if (schemas_dir.parent / "docs").is_dir():
        check_decisions(contracts, schemas_dir)
    lake = [*map(silver_table, contracts), *tables]
    files = _contracts(schemas_dir, contracts, tables)
    files[bundle.WAREHOUSE] = orjson.dumps(compile_project(warehouse_dir, lake).to_json())
    files[bundle.POLICIES] = _sorted(compile_policies(schemas_dir))
    providers = compile_webhooks(schemas_dir, contracts)
    # In their author's order: the first rule of a kind that applies is the one.
    files[bundle.WEBHOOKS] = orjson.dumps(providers)
    files[bundle.SOURCES] = _sorted(compile_sources(schemas_dir, contracts, providers))
    files[bundle.FRAUD_RULES] = _sorted(compile_rulebook(schemas_dir))
    aggregates = compile_aggregates(schemas_dir, contracts)
    files[bundle.AGGREGATES] = _sorted(aggregates)
    files[bundle.ANOMALIES] = _sorted(compile_watches(schemas_dir, aggregates))
    files[bundle.ANONYMISED] = _sorted(compile_anonymised(schemas_dir, lake))
    sigma = compile_rules(schemas_dir, contracts)
    files[bundle.PATTERNS] = _sorted([*compile_patterns(schemas_dir, contracts), *sigma["patterns"]])
    files[bundle.SIGMA] = _sorted({name: found for name, found in sigma.items() if name != "patterns"})
    views = compile_views(schemas_dir, lake)
    files[bundle.FEATURES] = _sorted({"views": views, "services": compile_services(views)})
    return files


def check_decisions(contracts: Iterable[Contract], schemas_dir: Path) -> None:
    """Whether the checkout around `schemas/` has the decision record of each announced end.

    Raises:
        ContractError: with each that is missing.
    """
    problems = [
        ContractProblem(
            str(file_of(one, schemas_dir).relative_to(schemas_dir)), "/customProperties", sentence
        )
        for one, sentence in retirements.without_decision(contracts, schemas_dir.parent)
    ]
    if problems:
        raise ContractError(problems)


def assemble_contracts(schemas_dir: Path, out_dir: Path) -> None:
    """Writes the part of the bundle that `contracts.registry` reads.

    Raises:
        ContractError: with every problem of the events' contracts, else of the tables'.
    """
    contracts, tables = compile_contracts(schemas_dir), compile_tables(schemas_dir)
    _write(_contracts(schemas_dir, contracts, tables), out_dir)


def _contracts(schemas_dir: Path, contracts: Sequence[Contract], tables: Iterable[LakeTable]) -> Files:
    openapi = schemas_dir / api_document.FILE
    api = api_document.load(openapi) if openapi.exists() else {"paths": {}}
    files = {
        # Compact, and in the author's order: the fields of an object are numbered by it (Protobuf) and columns follow it.
        bundle.CONTRACTS: orjson.dumps(
            [one.to_json() for one in publications.with_history(contracts, schemas_dir)]
        ),
        bundle.TYPE_NAMES: orjson.dumps(compile_names(schemas_dir, contracts)),
        bundle.PURPOSES: orjson.dumps([one.to_json() for one in compile_purposes(schemas_dir).values()]),
        bundle.TABLES: orjson.dumps([to_json(table) for table in tables]),
        bundle.OPENAPI: orjson.dumps(
            api_document.with_contracts(api, contracts) if openapi.exists() else api
        ),
        bundle.ROUTES: orjson.dumps(api_document.routes(api)),
    }
    listed = []
    for one in publications.with_current(contracts, schemas_dir):
        listed.append(
            {"type": one.event_type, "version": one.version, "number": one.number, "ids": one.ids()}
        )
        for form, text in one.texts.items():
            files[bundle.export(form, one.event_type, one.version)] = text.encode()
    files[bundle.PUBLISHED] = orjson.dumps(listed)
    files[bundle.DEPLOYED] = deployed.pack(deployed.of(schemas_dir)).encode()
    for path in sorted((schemas_dir / dictionaries.FOLDER).glob(f"*{dictionaries.SUFFIX}")):
        files[f"{bundle.DICTIONARIES}/{path.name}"] = path.read_bytes()
    return files


def _sorted(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def _write(files: Files, out_dir: Path) -> None:
    shutil.rmtree(out_dir, ignore_errors=True)
    for folder in {name.rpartition("/")[0] for name in files} | {bundle.DICTIONARIES}:
        (out_dir / folder).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out_dir / name).write_bytes(content)
