"""`millrace backtest`: fraud rules over history, before they go live."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import UsageError
from cli.history.words import TITLES, example, sentences
from cli.options import Json
from cli.output import counted, err, out, print_json, table, wrapped
from cli.places import checkout
from millrace.core import clock

if TYPE_CHECKING:
    from millrace.fraud.rules import RuleSet

# Examples of each kind; the report has more.
SHOWN = 3


def backtest(
    data: Annotated[
        Path,
        typer.Option("--data", help="A Parquet file, or a folder of them: card data or silver transactions."),
    ],
    rules: Annotated[
        Path | None, typer.Option("--rules", help="A rules file (default: the current rules).")
    ] = None,
    baseline: Annotated[Path | None, typer.Option("--baseline", help="A rules file to compare with.")] = None,
    alert: Annotated[str, typer.Option("--alert", help="The lowest class that is an alert.")] = "HIGH",
    label_fires: Annotated[
        bool, typer.Option("--label-fires", help="Let known_fraud use the label that is being tested.")
    ] = False,
    org: Annotated[
        str | None,
        typer.Option("--org", help="The tenant: its own rules apply, and only its rows count."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "--report",
            help="The file of the HTML report, which must not exist (default: a new one in .local/reports/).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run fraud rules over past transactions: precision, recall, alerts, money caught."""
    from cli.history.report import page
    from cli.history.source import History
    from millrace.core.errors import PermanentError
    from millrace.fraud.backtest import Backtest, difference
    from millrace.fraud.changes import changes
    from millrace.fraud.examples import Examples

    if report is not None and report.exists():
        raise UsageError(f"{report} exists already: name another file with --out")
    # Rules of a file are compared with a baseline, or else with those of this checkout.
    compared = rules_of(baseline, org) if baseline is not None or rules is not None else None
    try:
        tests = [Backtest(rules_of(rules, org), alert, label_fires)]
        if baseline is not None and compared is not None:
            tests.append(Backtest(compared, alert, label_fires))
    except PermanentError as error:
        raise UsageError(str(error)) from error
    started = time.monotonic()
    history = History(data, org)
    examples = Examples(*(test.alert_from for test in tests))
    first, last = _run(history, tests, examples)
    result = tests[0].result(history.columns)
    if baseline is not None:
        result["baseline"] = tests[1].result(history.columns)
        result["difference"] = difference(result, result["baseline"])
    result["data"] = {"path": str(data), "org": org, "from": first, "to": last}
    result["alertClass"] = alert
    result["rules"] = {
        "file": _named(rules),
        "comparedWith": None if compared is None else _named(baseline),
        "changes": [] if compared is None else changes(compared.document, tests[0].rules.document),
    }
    result["examples"] = examples.to_json()
    result["seconds"] = round(time.monotonic() - started, 2)
    result["notes"] = history.notes
    written = page(result, title=f"Back-test of fraud rules {result['rulesVersion']}", notes=history.notes)
    result["report"] = str(_write(written, report, result["rulesVersion"]))
    if as_json:
        print_json(result)
        return
    _show(result)


def _named(rules: Path | None) -> str:
    return "schemas/fraud/rules.yaml" if rules is None else str(rules)


def _write(page: str, report: Path | None, version: str) -> Path:
    """Writes the report to a file that was not there.

    Raises:
        UsageError: the file is there, or cannot be written.
    """
    folder = checkout().local / "reports"
    name = f"backtest-{version}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    places = (
        [report]
        if report
        else [folder / f"{name}{more}.html" for more in ("", *(f"-{n}" for n in range(2, 100)))]
    )
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8") as file:
                file.write(page)
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(f"{place} cannot be written: {error.strerror}") from error
        return place
    raise UsageError(f"{places[-1]} exists already: name another file with --out")


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        indent = "  " if line.startswith(" ") else ""
        for part in wrapped(line.strip(), indent, "  " if indent else ""):
            out.print(part, markup=False)


def rules_of(path: Path | None, org: str | None = None) -> "RuleSet":
    """The rules of a file for a tenant; by default the current rules of this checkout, as they are for everyone.

    Raises:
        UsageError: the file has errors; the message lists them all.
    """
    from millrace.compiler.fraud_rules import compile_file
    from millrace.contracts.errors import ContractError
    from millrace.fraud.rules import RuleSet

    try:
        rules = compile_file(path or checkout().root / "schemas" / "fraud" / "rules.yaml")
        return RuleSet(rules["tenants"].get(org, rules["default"]))
    except ContractError as error:
        raise UsageError(str(error)) from error


def _run(history: Any, tests: list[Any], examples: Any) -> tuple[str | None, str | None]:
    """Judges all rows; the first and the last moment, as UTC text."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    first = last = None
    columns = (TextColumn("judging transactions"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        task = progress.add_task("", total=history.count())
        for rows in history.batches():
            examples.add(rows, *(test.add(rows) for test in tests))
            first, last = rows[0].moment_ms if first is None else first, rows[-1].moment_ms
            progress.advance(task, len(rows))
    return _moment(first), _moment(last)


def _moment(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else clock.utc_text(clock.from_epoch_millis(milliseconds))


def _show(result: dict[str, Any]) -> None:
    baseline = result.get("baseline")
    _print(sentences(result))
    shown = table("", "rules", *(["baseline"] if baseline else []), title=f"rules {result['rulesVersion']}")
    for name in ("rows", "fraud", "alerts", "alertRate", "precision", "recall", "f1"):
        shown.add_row(name, *(f"{one[name]:,}" for one in (result, baseline) if one))
    for name in ("fraud", "caught", "stoppedInError"):
        shown.add_row(f"money {name}", *(f"{one['money'][name]:,.2f}" for one in (result, baseline) if one))
    for name in result["byClass"]:
        shown.add_row(name, *(f"{one['byClass'].get(name, 0):,}" for one in (result, baseline) if one))
    out.print(shown)
    factors = table("factor", "fired", "on fraud", "")
    for name, count in result["byFactor"].items():
        off = result["off"].get(name)
        factors.add_row(
            name, f"{count:,}", f"{result['fraudByFactor'][name]:,}", f"off: {off}" if off else ""
        )
    out.print(factors)
    for note in result["notes"]:
        out.print(f"{note}.")
    for kind, kept in result["examples"].items():
        if kept["items"]:
            out.print(f"{TITLES[kind]}, {kept['count']:,} in all:", markup=False)
        _print(f"  {example(one)}" for one in kept["items"][:SHOWN])
    out.print(
        f"{counted(result['rows'], 'transaction')} in {result['seconds']} s; the report is {result['report']}"
    )
