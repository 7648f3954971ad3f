"""Who reads the events of a contract: as declared in it, and as lineage has it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from millrace.catalog.datasets import EXPOSURE
from millrace.catalog.lineage import LineageGraph
from millrace.compiler.feature_views import compile_views
from millrace.compiler.warehouse.compile import compile_project
from millrace.contracts.contract import Contract
from millrace.contracts.tables import LakeTable, silver_table
from millrace.fraud.decision import SOURCE_TYPE

FEATURES = "features"
PLATFORM = "platform"


class Consumers:
    """The readers of all contracts of a checkout."""

    def __init__(self, root: Path, contracts: Sequence[Contract], tables: Iterable[LakeTable]) -> None:
        """Compiles what reads tables, where the checkout has a warehouse: its tables and exposures, and the feature views.

        Raises:
            ContractError: a feature view is wrong.
            WarehouseError: a table of the warehouse is wrong.
        """
        lake = [*map(silver_table, contracts), *tables]
        self._owners = {table.full_name: table.owner for table in lake}
        self._graph = LineageGraph()
        if not (root / "warehouse").is_dir():
            return
        project = compile_project(root / "warehouse", lake)
        for transform in project.transforms:
            self._graph.add(transform.full_name, transform.inputs, {})
        for exposure in project.exposures:
            self._add(f"{EXPOSURE}.{exposure.name}", exposure.owner, exposure.inputs)
        for view in compile_views(root / "schemas", lake):
            tables_read = [group["table"] for group in view["groups"]]
            self._add(f"{FEATURES}.{view['name']}", view["owner"], tables_read)

    def _add(self, name: str, owner: str, inputs: Iterable[str]) -> None:
        self._owners[name] = owner
        self._graph.add(name, inputs, {})

    def of(self, contract: Contract) -> list[dict[str, str]]:
        """Name and contact of each: first those that have declared themselves, then whatever is made of its silver table."""
        readers = self._graph.around(silver_table(contract).full_name, (), transitive=True)["downstream"]
        consumers = [
            *contract.consumers,
            *({"name": name, "contact": self._owners[name]} for name in readers),
        ]
        if contract.event_type == SOURCE_TYPE:
            consumers.append({"name": "fraud rules", "contact": PLATFORM})
        return consumers
