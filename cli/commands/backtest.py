"""`millrace backtest`: fraud rules over history, before they go live."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import UsageError
from cli.options import Json
from cli.output import counted, err, out, print_json, table
from cli.places import checkout

if TYPE_CHECKING:
    from millrace.fraud.rules import RuleSet


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
        typer.Option("--org", help="The tenant, where the files hold transactions of several."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Where the HTML report goes (default: .local/reports/).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run fraud rules over past transactions: precision, recall, alerts, money caught."""
    from cli.history.report import page
    from cli.history.source import History
    from millrace.core.errors import PermanentError
    from millrace.fraud.backtest import Backtest, difference

    try:
        tests = [Backtest(rules_of(rules), alert, label_fires)]
        if baseline is not None:
            tests.append(Backtest(rules_of(baseline), alert, label_fires))
    except PermanentError as error:
        raise UsageError(str(error)) from error
    started = time.monotonic()
    history = History(data, org)
    _run(history, tests)
    result = tests[0].result(history.columns)
    if baseline is not None:
        result["baseline"] = tests[1].result(history.columns)
        result["difference"] = difference(result, result["baseline"])
    result["seconds"] = round(time.monotonic() - started, 2)
    result["notes"] = history.notes
    place = report or checkout().local / "reports" / "backtest.html"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(
        page(result, title=f"Back-test of fraud rules {result['rulesVersion']}", notes=history.notes), "utf-8"
    )
    result["report"] = str(place)
    if as_json:
        print_json(result)
        return
    _show(result)


def rules_of(path: Path | None) -> "RuleSet":
    """The rules of a file; by default the current rules of this checkout.

    Raises:
        UsageError: the file has errors; the message lists them all.
    """
    from millrace.compiler.fraud_rules import compile_file
    from millrace.contracts.errors import ContractError
    from millrace.fraud.rules import RuleSet

    try:
        return RuleSet(compile_file(path or checkout().root / "schemas" / "fraud" / "rules.yaml")["default"])
    except ContractError as error:
        raise UsageError(str(error)) from error


def _run(history: Any, tests: list[Any]) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("judging transactions"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        task = progress.add_task("", total=history.count())
        for rows in history.batches():
            for test in tests:
                test.add(rows)
            progress.advance(task, len(rows))


def _show(result: dict[str, Any]) -> None:
    baseline = result.get("baseline")
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
    out.print(
        f"{counted(result['rows'], 'transaction')} in {result['seconds']} s; the report is {result['report']}"
    )
