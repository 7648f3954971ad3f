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
        help="The local tenant to call as (default: org_acme); the key of one that make up did not make is in MILLRACE_API_KEY.",
    ),
]
