"""`millrace contracts`: the data contracts of this checkout."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands import first_contract, table_contract, unused_fields
from cli.commands import rights as rights_command
from cli.errors import RefusedError, UsageError
from cli.options import Json
from cli.output import complain, counted, out, print_json
from cli.places import checkout
from cli.revisions import default_base, schemas_at
from cli.target import ENVIRONMENTS, Target, find_target

if TYPE_CHECKING:
    from cli.consumers import Consumers
    from millrace.compiler.deployed import Deployed
    from millrace.contracts.contract import Contract
    from millrace.contracts.tables import LakeTable

DEFAULT_BASE = " (of this checkout; --env compares with what is deployed)"

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The data contracts of this checkout.")
app.command()(first_contract.init)
app.command()(first_contract.build)
app.command()(table_contract.table)
app.command()(rights_command.rights)
app.command()(unused_fields.unused)


@app.command()
def lint(as_json: Json = False) -> None:
    """Compile all that is below schemas/ and warehouse/; report each error with its place."""
    from millrace.compiler.lint import lint as lint_all

    report = lint_all(checkout().root)
    if report.problems:
        if not as_json:
            complain("\n".join(report.problems))
        sentence = f"{counted(len(report.problems), 'problem')} to correct" + (
            f"; {report.skipped}" if report.skipped else ""
        )
        raise RefusedError("\n".join([sentence, *report.problems]) if as_json else sentence)
    count = report.events + report.tables
    if as_json:
        told = {"warnings": [*report.warnings]} if report.warnings else {}
        print_json({"contracts": count, "breaking": [], **told})
    else:
        for line in report.warnings:
            complain(f"Warning: {line}")
        out.print(
            f"{counted(count, 'contract')} compiled: {report.events} of events, {report.tables} of tables"
        )
        if report.beside:
            found = ", ".join(f"{number} {name}" for name, number in report.beside.items())
            out.print(f"Checked with them: {found}, fraud rules, the API's document and the warehouse")


@app.command()
def diff(
    base: Annotated[
        str | None,
        typer.Argument(
            help="A revision to compare with (default: the merge base with origin/main, or HEAD)."
        ),
    ] = None,
    env: Annotated[
        str | None,
        typer.Option("--env", help="Compare with what is deployed there instead: local, dev, staging, prod."),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Raise the versions that have to be raised, and publish them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Refuse changes within a major version that would break producers or consumers of events."""
    from cli import gate

    if base is not None and env is not None:
        raise UsageError("compare with a revision or with an environment, not with both")
    schemas = checkout().root / "schemas"
    option = f" --env {env}" if env is not None else f" {base}" if base is not None else ""
    with compile_errors(as_json=as_json):
        before, where = _base(base, env)
        written = gate.fix(before, schemas) if fix else []
        comparison = gate.compare(before, schemas)
    count = len(compiled(schemas, as_json=as_json)) + len(tables_of(schemas, as_json=as_json))
    if as_json:
        breaking = [
            {**one.to_json(), "remedy": gate.remedy(one, comparison, option)} for one in comparison.breaking
        ]
        print_json(
            {
                **{"contracts": count, "breaking": breaking, "notices": comparison.notices, "base": where},
                **({"fixed": written} if fix else {}),
            }
        )
        raise typer.Exit(1 if breaking else 0)
    for sentence in (*written, *(f"Mind: {notice}." for notice in comparison.notices)):
        out.print(sentence, highlight=False, markup=False)
    for line in gate.reasons(comparison, option):
        complain(line)
    if comparison.breaking:
        raise RefusedError(f"{counted(len(comparison.breaking), 'reason')} to refuse, compared with {where}")
    clause = where if before is None else f"nothing broken, compared with {where}"
    out.print(f"{counted(count, 'contract')}: {clause}", highlight=False, markup=False)


def _base(base: str | None, env: str | None) -> "tuple[Deployed | None, str]":
    """What to compare with, and a name for it; None where there is nothing, and then why."""
    from cli import gate
    from millrace.compiler import deployed

    if env is not None:
        from botocore.exceptions import BotoCoreError

        if env not in ENVIRONMENTS:
            raise UsageError(f"--env is one of {', '.join(ENVIRONMENTS)}, not {env}")
        # CloudFormation alone is asked, which needs no key of a tenant.
        target = find_target(env) if env == "local" else Target(env, "")
        try:
            client = target.client("cloudformation")
        except BotoCoreError as error:
            raise RefusedError(f"nothing was compared with {env}: {error}") from error
        return gate.in_environment(client, env)
    root = checkout().root
    revision = base or default_base(root)
    with schemas_at(root, revision) as folder:
        if folder is None:
            return None, f"revision {revision} has no contracts: nothing to compare with"
        return deployed.of(folder), f"revision {revision}" + ("" if base else DEFAULT_BASE)


@app.command()
def docs(
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where the pages go (default: build/docs/events).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a page for each event type, and their index."""
    from millrace.compiler import samples
    from millrace.compiler.event_contracts import file_of
    from millrace.compiler.exports.markdown import index, page

    root = checkout().root
    target = folder or root / "build" / "docs" / "events"
    contracts = compiled(root / "schemas", as_json=as_json)
    target.mkdir(parents=True, exist_ok=True)
    for contract in contracts:
        golden = samples.golden(file_of(contract, root / "schemas"))
        text = page(contract, golden[0] if golden else None)
        (target / f"{contract.name}.md").write_text(text, encoding="utf-8")
    (target / "README.md").write_text(index(contracts), encoding="utf-8")
    if as_json:
        print_json({"contracts": len(contracts), "breaking": []})
    else:
        out.print(f"{counted(len(contracts), 'page')} in {target}")


@app.command()
def publish(as_json: Json = False) -> None:
    """Keep the texts of the contracts in force for ever, under their versions: commit the files."""
    from millrace.compiler import publications

    schemas = checkout().root / "schemas"
    written = publications.publish(compiled(schemas, as_json=as_json), schemas)
    names = [str(path.relative_to(schemas.parent)) for path in written]
    if as_json:
        print_json({"published": names})
    else:
        out.print("\n".join(names) or "every contract is published in its version")


@app.command()
def dictionaries(
    renew: Annotated[
        str | None,
        typer.Option("--renew", help="An event type whose samples have changed: make its next dictionary."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the compression dictionary of every stored type that has none. Dictionaries are kept for ever."""
    from millrace.compiler import samples
    from millrace.compiler.dictionaries import new_dictionary
    from millrace.compiler.event_contracts import file_of

    schemas = checkout().root / "schemas"
    made = []
    for contract in compiled(schemas, as_json=as_json):
        wanted = contract.event_type == renew if renew else not contract.dictionary
        if contract.store == "table" and wanted:
            with compile_errors(as_json=as_json):
                path = new_dictionary(contract, samples.golden(file_of(contract, schemas)), schemas)
            made += [path.name] if path is not None else []
    if as_json:
        print_json({"made": made})
    else:
        out.print("\n".join(made) or "every stored type has its dictionary")


@app.command()
def announce(
    event_type: Annotated[str, typer.Argument(metavar="TYPE", help="Such as order.created.")],
    major: Annotated[int, typer.Option("--major", help="The new major version, whose contract is there.")],
    ends: Annotated[
        str,
        typer.Option("--ends", help="First UTC day on which older versions are refused, such as 2026-12-20."),
    ],
    decision: Annotated[
        str,
        typer.Option(
            "--decision",
            help="The decision record below docs/decisions/; made from a template if it is missing.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Announce the end of older major versions: at least 14 days in which both are accepted. Postpones one that is announced."""
    from cli.announcement import announce as write

    root = checkout().root
    contracts = compiled(root / "schemas", as_json=as_json)
    consumers = _consumers(root, contracts, as_json=as_json)
    changed = write(root, contracts, event_type, major, ends, decision, consumers.of)
    _print_changes(changed, consumers, as_json=as_json)
    if not as_json:
        out.print("Then run `millrace contracts publish`, complete the decision record, and commit.")


@app.command()
def status(as_json: Json = False) -> None:
    """List the major versions whose end is announced: when, in favour of which, and who reads them."""
    root = checkout().root
    contracts = compiled(root / "schemas", as_json=as_json)
    consumers = _consumers(root, contracts, as_json=as_json)
    _print_changes([one for one in contracts if one.retirement is not None], consumers, as_json=as_json)


def _consumers(root: Path, contracts: "list[Contract]", *, as_json: bool) -> "Consumers":
    from cli.consumers import Consumers

    tables = tables_of(root / "schemas", as_json=as_json)
    with compile_errors(as_json=as_json):
        return Consumers(root, contracts, tables)


def _print_changes(contracts: "list[Contract]", consumers: "Consumers", *, as_json: bool) -> None:
    from millrace.core import clock

    ending = [(one, one.retirement, consumers.of(one)) for one in contracts if one.retirement is not None]
    if as_json:
        changes = [
            {
                "contract": contract.name,
                "to": f"{contract.event_type}.v{end.by}",
                "announced": end.announced.isoformat(),
                "ends": end.ends.isoformat(),
                "consumers": readers,
            }
            for contract, end, readers in ending
        ]
        print_json({"changes": changes})
        return
    if not ending:
        out.print("no version has an announced end")
        return
    today = clock.now().date()
    for contract, end, readers in ending:
        days = (end.ends - today).days
        left = f"{counted(days, 'day')} left" if days > 0 else "it has ended"
        lines = [f"{contract.name} ends on {end.ends} for v{end.by} ({left})"]
        lines += [f"  {one['name']} ({one['contact']})" for one in readers] or ["  no consumer is known"]
        out.print("\n".join(lines), markup=False, highlight=False)


def compiled(schemas: Path, *, as_json: bool, where: str = "") -> "list[Contract]":
    """The contracts of events; RefusedError where they do not compile."""
    from millrace.compiler.event_contracts import compile_contracts

    with compile_errors(as_json=as_json, where=where):
        return compile_contracts(schemas)


def tables_of(schemas: Path, *, as_json: bool, where: str = "") -> "list[LakeTable]":
    """The contracts of tables; RefusedError where they do not compile."""
    from millrace.compiler.table_contracts import compile_tables

    with compile_errors(as_json=as_json, where=where):
        return compile_tables(schemas)


@contextmanager
def compile_errors(*, as_json: bool, where: str = "") -> Iterator[None]:
    """Says what does not compile, with its place, and ends with RefusedError."""
    from millrace.compiler.places import located
    from millrace.compiler.warehouse.errors import WarehouseError
    from millrace.contracts.errors import ContractError

    try:
        yield
    except (ContractError, WarehouseError) as error:
        sentence = f"the contracts{where} do not compile"
        lines = "\n".join(located(error, checkout().root))
        if not as_json:
            complain(lines)
        raise RefusedError(f"{sentence}: {lines}" if as_json else sentence) from error
