"""Who may what, as tables for people: role × right, and role × dataset × column, as the policies decide. Build only.

They are kept under `schemas/policies/golden/`, so that a change of a policy, a role or a column's class is a change of a line that
somebody reviews; tests hold the policies, the reads in SQL and the grants of Lake Formation to them.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from millrace.access import policies
from millrace.access.actions import ACTIONS, LAYERS
from millrace.access.cedar import Policies, Question
from millrace.access.credentials import Principal
from millrace.access.roles import ROLES, SERVICE_ACCOUNT
from millrace.compiler.policies import FOLDER
from millrace.contracts.contract import CLASSES
from millrace.contracts.tables import LakeTable

GOLDEN = f"{FOLDER}/golden"
RIGHTS, COLUMNS = "rights.csv", "columns.csv"
# A service account has what its key names, and so nothing by its role.
PEOPLE = tuple(role for role in ROLES if role != SERVICE_ACCOUNT)
_ORG = "org"
_OWN = "own rows: "


@dataclass(frozen=True, slots=True)
class Dataset:
    """What can be read of the lake: the class of each column, by name, in order."""

    name: str
    classes: Mapping[str, str]


def datasets(tables: Iterable[LakeTable], others: Mapping[str, Mapping[str, str]]) -> list[Dataset]:
    """Every dataset by name.

    Args:
        tables: of the contracts.
        others: datasets that no contract describes, such as `raw.events`: column → class.
    """
    found = [
        Dataset(one.full_name, {column.name: column.classification for column in one.columns})
        for one in tables
    ]
    found += [Dataset(name, classes) for name, classes in others.items()]
    return sorted(found, key=lambda one: (LAYERS.index(one.name.partition(".")[0]), one.name))


def person(role: str) -> Principal:
    """Somebody who has this role and no other."""
    return Principal(_ORG, role, (), kind="user", id=f"a {role}", roles=(role,))


def shown(role: str, dataset: str, classification: str, in_force: Policies) -> str:
    """How a column of this class is shown to a role: `clear`, `token`, `absent`; of own rows only `own rows: clear`."""
    one = person(role)
    visibility = policies.column(one, dataset, classification, policies=in_force)
    whole = Question("dataset:read", policies.dataset(_ORG, dataset))
    is_whole = in_force.may(policies.entity(one), whole)
    return visibility if is_whole or visibility == "absent" else f"{_OWN}{visibility}"


def rights_table(in_force: Policies) -> list[list[str]]:
    """A line for each right, a column for each role: `yes` or empty."""
    held = {role: policies.rights(person(role), policies=in_force) for role in PEOPLE}
    lines = [[right, *("yes" if right in held[role] else "" for role in PEOPLE)] for right in ACTIONS]
    return [["right", *PEOPLE], *lines]


def columns_table(found: Iterable[Dataset], in_force: Policies) -> list[list[str]]:
    """A line for each class of columns that a dataset has, a column for each role."""
    lines = []
    for one in found:
        for name in CLASSES:
            columns = [column for column, of in one.classes.items() if of == name]
            if columns:
                cells = (shown(role, one.name, name, in_force) for role in PEOPLE)
                lines.append([one.name, name, " ".join(columns), *cells])
    return [["dataset", "class", "columns", *PEOPLE], *lines]


def text(table: Iterable[Iterable[str]]) -> str:
    """A table as CSV."""
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerows(table)
    return made.getvalue()


def read(path: Path) -> list[dict[str, str]]:
    """The lines of a table that was written, by the names of its columns."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def write(schemas_dir: Path, found: Iterable[Dataset], in_force: Policies) -> list[Path]:
    """Writes both tables, and returns the files whose text is another than before."""
    folder = schemas_dir / GOLDEN
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, table in ((RIGHTS, rights_table(in_force)), (COLUMNS, columns_table(found, in_force))):
        made, path = text(table), folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != made:
            path.write_text(made, encoding="utf-8")
            changed.append(path)
    return changed
