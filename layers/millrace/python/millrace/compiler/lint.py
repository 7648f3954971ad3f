"""All that is below `schemas/` and `warehouse/`, compiled and held together: every problem, each with its file and line. Build only."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from millrace.compiler import api_document, dictionaries, publications, samples, users
from millrace.compiler.aggregates import compile_aggregates
from millrace.compiler.anomalies import compile_watches
from millrace.compiler.anonymised import compile_anonymised
from millrace.compiler.bundle import check_decisions
from millrace.compiler.documents import yaml_document
from millrace.compiler.event_contracts import compile_contracts, file_of
from millrace.compiler.feature_views import FOLDER, compile_views
from millrace.compiler.fraud_rules import compile_rulebook
from millrace.compiler.patterns import compile_patterns
from millrace.compiler.places import located
from millrace.compiler.sources import compile_sources
from millrace.compiler.table_contracts import compile_tables
from millrace.compiler.type_names import compile_names
from millrace.compiler.warehouse import aggregate_macros
from millrace.compiler.warehouse.errors import WarehouseError
from millrace.compiler.webhooks import compile_webhooks
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.tables import silver_table

Compiled = TypeVar("Compiled")
FEATURES_ROUTE = "GET /v1/features"


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found: how many contracts of each kind compile, each problem as a line, and what was not looked at."""

    events: int
    tables: int
    problems: tuple[str, ...]
    skipped: str = ""
    # What stands on the contracts, by name, where it was looked at: aggregates, patterns, …
    beside: dict[str, int] = field(default_factory=dict)
    # What compiles and may be meant otherwise, each as a line.
    warnings: tuple[str, ...] = ()


def lint(root: Path) -> Linted:
    """Compiles what the folder's `schemas/` and, where it is there, `warehouse/` hold, and says all that is wrong at once."""
    schemas, collected = root / "schemas", _Collected(root)
    contracts = collected.of(lambda: compile_contracts(schemas))
    tables = collected.of(lambda: compile_tables(schemas))
    # What else is deployed stands on all contracts; a folder of contracts alone has none of it.
    is_whole = (root / "warehouse").is_dir()
    if is_whole:
        from millrace.compiler.policies import compile_policies  # noqa: PLC0415

        collected.of(lambda: compile_rulebook(schemas))
        collected.of(lambda: compile_policies(schemas))
    routes = None
    if is_whole and (schemas / api_document.FILE).exists():
        routes = collected.of(lambda: api_document.routes(api_document.load(schemas / api_document.FILE)))
    if contracts is not None:
        collected.of(lambda: _refuse(_of_contracts(contracts, schemas)))
        collected.of(lambda: check_decisions(contracts, schemas))
    if contracts is not None and is_whole:
        from millrace.compiler.sigma.compile import compile_rules  # noqa: PLC0415

        collected.of(lambda: compile_names(schemas, contracts))
        collected.of(lambda: _refuse(aggregate_macros.problems(schemas, contracts, root / "warehouse")))
        providers = collected.of(lambda: compile_webhooks(schemas, contracts))
        sources = None
        if providers is not None:
            sources = collected.of(lambda: compile_sources(schemas, contracts, providers))
        patterns = collected.of(lambda: compile_patterns(schemas, contracts))
        aggregates = collected.of(lambda: compile_aggregates(schemas, contracts))
        if aggregates is not None:
            collected.of(lambda: compile_watches(schemas, aggregates))
        rules = collected.of(lambda: compile_rules(schemas, contracts))
    if contracts is None or tables is None:
        skipped = (
            "feature views, the warehouse and what stands beside contracts follow once the contracts compile"
        )
        return Linted(len(contracts or ()), len(tables or ()), collected.lines(), skipped)
    beside: dict[str, int] = {}
    if is_whole:
        # What needs only contracts is compiled without a parser of SQL.
        from millrace.compiler.warehouse.compile import compile_project  # noqa: PLC0415

        lake = [*map(silver_table, contracts), *tables]
        views = collected.of(lambda: compile_views(schemas, lake))
        if routes is not None and views is not None:
            collected.of(lambda: _refuse(_of_views(views, routes)))
        collected.of(lambda: compile_anonymised(schemas, lake))
        collected.of(lambda: compile_project(root / "warehouse", lake))
        stood = {
            "aggregates": aggregates,
            "patterns": patterns,
            "Sigma rules": rules,
            "feature views": views,
            "sources": sources,
        }
        beside = {name: len(found) for name, found in stood.items() if found}
    warned = tuple(located(ContractError([*_warnings(contracts, schemas)]), root))
    return Linted(len(contracts), len(tables), collected.lines(), beside=beside, warnings=warned)


def _warnings(contracts: Iterable[Contract], schemas: Path) -> Iterator[ContractProblem]:
    for contract in contracts:
        for pointer, sentence in users.warnings(contract):
            file = file_of(contract, schemas)
            place = users.place(yaml_document(file.read_bytes(), file.name), pointer)
            yield ContractProblem(str(file.relative_to(schemas)), place, sentence)


def _of_contracts(contracts: list[Contract], schemas: Path) -> Iterable[ContractProblem]:
    yield from samples.problems((one, file_of(one, schemas)) for one in contracts)
    yield from publications.problems(contracts, schemas)
    yield from dictionaries.problems(contracts, schemas)


def _of_views(
    views: Iterable[Mapping[str, Any]], routes: Mapping[str, Mapping[str, Any]]
) -> Iterator[ContractProblem]:
    """Online views that the API cannot be asked for."""
    known = {one["name"] for one in routes[FEATURES_ROUTE]["parameters"]}
    for view in views:
        if view["online"] and view["key"] and view["key"] not in known:
            yield ContractProblem(
                f"{FOLDER}/{view['name']}.yaml",
                "/entity/key",
                f"{view['key']} is not a parameter of {FEATURES_ROUTE}, so nobody could read the view online: add it to "
                f"schemas/{api_document.FILE}, or take one of its keys",
            )


def _refuse(problems: Iterable[ContractProblem]) -> None:
    if listed := [*problems]:
        raise ContractError(listed)


class _Collected:
    def __init__(self, root: Path) -> None:
        self._root, self._lines = root, dict[str, None]()

    def of(self, compile_: Callable[[], Compiled]) -> Compiled | None:
        """What is compiled; None if it does not compile, and then why is among the lines."""
        try:
            return compile_()
        except (ContractError, WarehouseError) as error:
            self._lines |= dict.fromkeys(located(error, self._root))
            return None

    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)
