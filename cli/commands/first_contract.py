"""`millrace contracts init` and `build`: a first contract from samples, and what is written from contracts."""

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.building import build as write_all
from cli.errors import RefusedError, UsageError
from cli.options import Json
from cli.output import complain, counted, out, print_json
from cli.places import checkout

if TYPE_CHECKING:
    from millrace.compiler.first_contract import FirstContract


def init(
    samples: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Samples, whole events or payloads alone: NDJSON or a JSON array; - reads standard input.",
        ),
    ],
    event_type: Annotated[
        str | None,
        typer.Option("--type", help="Such as ticket.opened; needed where the samples do not say it."),
    ] = None,
    domain: Annotated[
        str | None,
        typer.Option("--domain", help="The contract's folder (default: the type's first word)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a first contract from samples: it accepts all of them, and marks what it guessed."""
    from millrace.compiler import first_contract
    from millrace.core import clock

    root = checkout().root
    try:
        made = first_contract.infer(
            first_contract.read(_bytes(samples)), event_type, domain, clock.utc_text(clock.now())
        )
    except first_contract.SamplesError as error:
        if not as_json:
            complain(str(error))
        sentence = f"no contract can be written from {samples}"
        raise RefusedError(f"{sentence}: {error}" if as_json else sentence) from error
    file = write(root, made)
    if as_json:
        print_json({**made.document, "guesses": made.guesses})
        return
    out.print(f"{file.relative_to(root)}: accepts all {counted(made.samples, 'sample')}", highlight=False)
    for guess in made.guesses:
        out.print(f"  {guess}", markup=False, highlight=False)
    out.print(
        "Look at the guesses and write the description; then: millrace contracts build", highlight=False
    )


def build(as_json: Json = False) -> None:
    """Write all that follows from the contracts: published texts, dictionaries, dbt's files, pins. Commit what it writes."""
    from millrace.compiler.warehouse.errors import WarehouseError
    from millrace.contracts.errors import ContractError

    root = checkout().root
    try:
        written = [str(path.relative_to(root)) for path in write_all(root)]
    except (ContractError, WarehouseError) as error:
        raise RefusedError(str(error)) from error
    if as_json:
        print_json({"written": written})
    else:
        out.print("\n".join(written) or "everything is built", highlight=False)


def _bytes(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error


def write(root: Path, made: "FirstContract") -> Path:
    """The contract, its samples, and what follows from them; nothing stays where they do not fit the other contracts.

    Raises:
        RefusedError: the type has a contract, or this one does not go with the others.
    """
    from millrace.contracts.errors import ContractError

    events = root / "schemas" / "events"
    there = sorted(events.glob(f"*/{made.event_type}"))
    if there:
        raise RefusedError(
            f"{made.event_type} has a contract: {there[0].relative_to(root)}. Edit it, or remove the folder to begin anew"
        )
    folder = events / made.document["domain"] / made.event_type
    (folder / "samples").mkdir(parents=True)
    file: Path = folder / "v1.yaml"
    file.write_text(made.text, encoding="utf-8")
    for kind, documents in (("golden", made.golden), ("broken", made.broken)):
        text = json.dumps(documents, indent=2, ensure_ascii=False)
        (folder / "samples" / f"v1.{kind}.json").write_text(f"{text}\n", encoding="utf-8")
    try:
        write_all(root)
    except (ContractError, RefusedError) as error:
        shutil.rmtree(folder)
        raise RefusedError(str(error)) from error
    return file
