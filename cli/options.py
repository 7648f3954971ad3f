"""The options that many commands share."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on the last line of standard output.")]
Env = Annotated[
    str | None,
    typer.Option(
        "--env", help="local (the default), or dev, staging, prod with MILLRACE_API_URL and MILLRACE_API_KEY."
    ),
]
Org = Annotated[
    str | None,
    typer.Option(
        "--org",
        help="The tenant, whose key is in .local/keys.json (default: that of MILLRACE_API_KEY, or else org_acme).",
    ),
]
