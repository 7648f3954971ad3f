"""`millrace privacy`: the compliance report of a tenant, what its users ask for, and their numbers."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import repairs, subjects, tenants
from cli.api import Api
from cli.commands import requests_of_people
from cli.compliance import report as reports
from cli.errors import UsageError
from cli.options import Env, Json, Org
from cli.output import err, out, print_json
from cli.target import Target, find_target
from millrace.core import clock

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="What an auditor and a person ask for: reports, restrictions, corrections, numbers, values.",
)
for _command in (
    requests_of_people.requests,
    requests_of_people.restrict,
    requests_of_people.release,
    requests_of_people.rectify,
    requests_of_people.done,
    requests_of_people.detokenise,
):
    app.command()(_command)
# Tables that recover to no moment, by design; stacks/storage.py has the reasons that deploys go by.
WITHOUT_RECOVERY = {
    "Events": "The log and the lake have each row.",
    "SubjectKeys": "An erasure is final: no copy may bring a key back.",
    "UserEvents": "Made from the lake by rebuild.",
}
TABLES = ("Events", "UserEvents", "Analytics", "Metadata", "MLModels", "FeatureStore", "SubjectKeys")


@app.callback()
def privacy() -> None:
    """What an auditor and a person ask for: reports, restrictions, corrections, numbers, values."""


@app.command()
def report(
    *,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page here.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write a PDF here.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="How far back it looks.")] = 90,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Report requests of people with their times, who has access, changes of rights, recovery and rotation.

    It reads the API with all rights of an auditor, and the settings of tables and keys with rights in AWS.
    """
    if html is None and pdf is None and not as_json:
        raise UsageError("name a file with --html or --pdf, or ask for --json")
    target = find_target(env)
    api, until = Api(target, org), clock.now()
    made = reports.Report(tenants.tenant(target, org), target.env, until - timedelta(days=days), until)

    def read(path: str, query: Mapping[str, str | None]) -> Iterator[Mapping[str, Any]]:
        for page in repairs.pages(api, query, path=path):
            yield from page["items"]

    with err.status("reading …"):
        made.sections.extend(
            [
                *reports.requests(read, made.since),
                *reports.access(read),
                reports.changes(read, made.since, made.until),
                reports.backups(_recovery(target), WITHOUT_RECOVERY),
                reports.rotation(_rotation(target)),
            ]
        )
    if html is not None:
        from cli.compliance import page

        html.write_text(page.html(made), encoding="utf-8")
    if pdf is not None:
        from cli.compliance import pdf as document

        pdf.write_bytes(document.pdf(made))
    if as_json:
        sections = [section.to_json() for section in made.sections]
        print_json({"org": made.org, "environment": made.environment, "sections": sections})
        return
    for section in made.sections:
        out.print(f"{'!' if section.attention else ' '} {section.title}: {section.sentence}", markup=False)


@app.command()
def number(
    user: Annotated[
        str,
        typer.Argument(
            help="A user's id; a person's number with --by-number.", metavar="USER", show_default=False
        ),
    ],
    *,
    by_number: Annotated[
        bool, typer.Option("--by-number", help="What is given is a number, not an id.")
    ] = False,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Say which number a user has in the lake, or whose a number is; the audit has a line of it."""
    query = {"by": "number"} if by_number else None
    answer = Api(find_target(env), org).ask("GET", subjects.path(user), query=query)
    if as_json:
        print_json(answer)
    else:
        out.print(f"{answer['userId']}: {answer['subject']}", markup=False)


def _recovery(target: Target) -> Iterator[tuple[str, bool | None]]:
    """Each table, and whether it recovers to a moment; None where AWS does not say."""
    dynamodb = target.client("dynamodb")
    for name in TABLES:
        found = _asked(
            lambda name=name: dynamodb.describe_continuous_backups(TableName=target.output(f"{name}Table"))
        )
        status = (
            (found or {}).get("ContinuousBackupsDescription", {}).get("PointInTimeRecoveryDescription", {})
        )
        yield name, None if found is None else status.get("PointInTimeRecoveryStatus") == "ENABLED"


def _rotation(target: Target) -> Iterator[tuple[str, bool | None]]:
    kms = target.client("kms")
    found = _asked(lambda: kms.get_key_rotation_status(KeyId=target.output("TenantKeyId")))
    yield "of tenants", None if found is None else bool(found["KeyRotationEnabled"])


def _asked(call: Any) -> Any:
    """An answer of AWS; None where it gives none, for want of a right or of the call itself."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call()
    except (BotoCoreError, ClientError):
        return None
