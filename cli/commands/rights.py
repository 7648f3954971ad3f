"""`millrace contracts rights`: who may what, written as tables that people review."""

from cli.options import Json
from cli.output import out, print_json
from cli.places import checkout


def rights(as_json: Json = False) -> None:
    """Write who may what by the policies, as tables to review in schemas/policies/golden."""
    from cli import rights_tables
    from millrace.access.cedar import Policies
    from millrace.compiler import golden_rights
    from millrace.compiler.policies import compile_policies

    root = checkout().root
    compiled = compile_policies(root / "schemas")
    in_force = Policies(compiled["schema"], compiled["policies"])
    changed = golden_rights.write(root / "schemas", rights_tables.lake(root), in_force)
    names = [path.relative_to(root).as_posix() for path in changed]
    if as_json:
        print_json({"changed": names})
        return
    for name in names:
        out.print(f"{name}: review what has changed", markup=False)
    if not names:
        out.print("Nobody may anything else than before.")
