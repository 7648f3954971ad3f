"""`millrace erase`: erases a person, waits for the certificate, or verifies one."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from cli import subjects
from cli.api import Api
from cli.errors import RefusedError, UsageError
from cli.options import Env, Json, Org
from cli.output import err, out, print_json, visible, wrapped
from cli.target import find_target


def erase(
    subject: Annotated[
        str | None, typer.Argument(help="The person, as events call them.", metavar="SUBJECT")
    ] = None,
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, for the audit; without a name.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it is done, and show the certificate.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Show how far it is, and begin nothing.")] = False,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", help="Write the certificate here; waits for it, unless with --status."),
    ] = None,
    verify: Annotated[
        Path | None, typer.Option("--verify", help="Verify a certificate instead; no platform is needed.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", help="With --verify: the public key that must have signed it, as PEM."),
    ] = None,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Erase a person: the key goes, and with it every protected value, wherever it lies."""
    if (verify is None) == (subject is None):
        raise UsageError("name a SUBJECT to erase, or a file with --verify")
    if verify is not None:
        _verify(verify, key, as_json=as_json)
        return
    api = Api(find_target(env), org)
    if status:
        document = api.ask("GET", subjects.path(subject or "", "erasure"))
    else:
        document = api.ask("DELETE", subjects.path(subject or ""), query={"reason": reason})
    if wait or (certificate is not None and not status):
        with err.status("erasing …") as progress:

            def read() -> dict[str, Any]:
                found: dict[str, Any] = api.ask("GET", subjects.path(subject or "", "erasure"))
                progress.update(f"erasing … {', '.join(found['steps']) or 'blocked'}")
                return found

            document = subjects.awaited(read, lambda found: found["certificate"] is not None)
    made = document.get("certificate")
    if certificate is not None and made is not None:
        certificate.write_bytes(orjson.dumps(made, option=orjson.OPT_INDENT_2))
    if as_json:
        print_json(document)
        return
    out.print(
        f"request {document['requestId']} of {document['receivedAt']}: {document['state']}", markup=False
    )
    if made is None:
        out.print(f"due {document['dueAt']}; --wait waits for the certificate", markup=False)
        return
    _print(f"final at {made['finalAt']}; signed by the key {made['key']['fingerprint']}")
    for store in made["removed"]:
        _print(f"removed  {store['store']}: {store['entries']}")
    for check, found in made["verified"].items():
        _print(f"verified {check}: {_plain(found)}")
    for left in made["remains"]:
        _print(f"remains  {left['store']}: {left['what']}. {left['why']}")


def _print(text: str) -> None:
    for line in wrapped(visible(text), hang="         "):
        out.print(line, markup=False)


def _plain(found: Any) -> str:
    """What a check found, as a sentence part: counts with their names."""
    if isinstance(found, dict):
        return ", ".join(f"{name} {_plain(value)}" for name, value in found.items())
    return str(found).lower() if isinstance(found, bool) else str(found)


def _verify(file: Path, key: Path | None, *, as_json: bool) -> None:
    from millrace.core.errors import PermanentError
    from millrace.people import certificate

    try:
        document = orjson.loads(file.read_bytes())
        pem = None if key is None else key.read_text()
        fingerprint = certificate.verify(document, pem)
    except OSError as error:
        raise UsageError(str(error)) from error
    except (orjson.JSONDecodeError, PermanentError) as error:
        sentence = str(error) if isinstance(error, PermanentError) else "this is no certificate of an erasure"
        raise RefusedError(sentence) from error
    if as_json:
        print_json({"verified": True, "fingerprint": fingerprint, "requestId": document["requestId"]})
        return
    out.print(f"unchanged since it was signed, by the key with the SHA-256 {fingerprint}", markup=False)
    if key is None:
        out.print("Compare it with that of GET /v1/subjects/signing-key, or give the key with --key.")
