"""Which columns of a table say whose a row is: the number of a person, as text or as an integer."""

from collections.abc import Mapping

from millrace.contracts.columns import owners
from millrace.contracts.registry import Registry
from millrace.contracts.tables import silver_table
from millrace.warehouse.project import Project

RAW = "raw.events"
_USER = "user_key"
# Raw has the envelope's user, and the person whose values are sealed in the event.
_OF_RAW = ("user_id", "sealed_subject")


def person_columns(registry: Registry, project: Project) -> Mapping[str, tuple[str, ...]]:
    """Full name of a table → its columns that name persons; a table of nobody's rows is not there.

    In silver they are the event's user and the fields that its contract calls `subject` and `userId`; whom a row only mentions, its
    contract's `users`, does not own it. In a table of the warehouse
    they are columns that are made of such columns alone, and have their name: what is counted of users has another.
    """
    found: dict[str, tuple[str, ...]] = {RAW: _OF_RAW}
    for contract in registry.contracts:
        found[silver_table(contract).full_name] = tuple(dict.fromkeys((_USER, *sorted(owners(contract)))))
    for transform in sorted(project.transforms, key=lambda one: one.level):
        names = [
            name
            for name in transform.columns
            if (of := transform.lineage.get(name))
            and all(column in found.get(table, ()) for table, column in of)
            and any(column in (name, _USER) for _, column in of)
        ]
        if names:
            found[transform.full_name] = tuple(names)
    return found
