"""`millrace contracts unused`: fields that events bring and nothing reads."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import UsageError
from cli.options import Json
from cli.output import counted, fitted, out, print_json
from cli.places import checkout

if TYPE_CHECKING:
    from millrace.compiler.unused_fields import Unused


def unused(
    event_type: Annotated[
        str | None, typer.Option("--type", help="Of one event type only, such as order.created.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List fields that events bring and nothing of the platform reads: what need not be collected.

    A field counts as read by a table, a feature view, an aggregate, a pattern, a Sigma rule or the fraud rules, and as a key. Subscribers of
    the bus are not known: what goes there says so.
    """
    found = _found(event_type, as_json=as_json)
    if as_json:
        print_json({"unused": [one.to_json() for one in found]})
        return
    if not found:
        out.print("every field is read by something")
        return
    rows = [
        [
            one.contract,
            one.pointer,
            one.classification,
            "yes" if one.required else "",
            ", ".join(_readers(one)),
        ]
        for one in found
    ]
    headings = ["contract", "field", "class", "required", "read outside"]
    out.print(fitted(headings, rows, folded={"read outside"}, optional=["required"]))
    out.print(f"{counted(len(found), 'field')} that nothing reads; leave out what nobody needs")


def _readers(one: "Unused") -> list[str]:
    return [*one.consumers, *(["the bus"] if one.routed else [])]


def _found(event_type: str | None, *, as_json: bool) -> "list[Unused]":
    from cli.commands.contracts import compile_errors, compiled, tables_of
    from millrace.compiler import unused_fields
    from millrace.compiler.feature_views import compile_views
    from millrace.compiler.warehouse.compile import compile_project
    from millrace.contracts.tables import silver_table

    root = checkout().root
    contracts = compiled(root / "schemas", as_json=as_json)
    if event_type is not None and event_type not in {one.event_type for one in contracts}:
        raise UsageError(f"no contract describes {event_type}")
    lake = [*map(silver_table, contracts), *tables_of(root / "schemas", as_json=as_json)]
    with compile_errors(as_json=as_json):
        project = compile_project(root / "warehouse", lake)
        views = compile_views(root / "schemas", lake)
    found = unused_fields.unused(contracts, project, views, root / "schemas")
    return [one for one in found if event_type is None or one.contract.rpartition(".v")[0] == event_type]
