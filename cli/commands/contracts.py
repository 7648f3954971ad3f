"""`millrace contracts`: the data contracts of this checkout."""

import typer

from cli.errors import RefusedError
from cli.options import Json
from cli.output import complain, out, print_json
from cli.places import checkout

app = typer.Typer(no_args_is_help=True, help="The data contracts of this checkout.")


@app.callback()
def group() -> None:
    """Keeps `lint` a command of its own while it is the only one."""


@app.command()
def lint(as_json: Json = False) -> None:
    """Compile every contract below schemas/ and name each fault with its file and pointer."""
    from millrace.contracts.compile import compile_contracts
    from millrace.contracts.errors import ContractError

    try:
        contracts = compile_contracts(checkout().root / "schemas")
    except ContractError as error:
        if not as_json:
            complain(str(error))
        raise RefusedError(
            f"the contracts do not compile: {error}" if as_json else "the contracts do not compile"
        ) from error
    if as_json:
        print_json({"contracts": len(contracts), "breaking": []})
    else:
        out.print(f"{len(contracts)} contracts compile")
