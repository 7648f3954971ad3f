"""`millrace cost`: the price of an idle platform, and of a million events on each path."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.errors import UsageError
from cli.options import Json
from cli.output import err, out, print_json, table, wrapped
from cli.places import checkout

# Events a second that are shown beside the given rate.
RATES = (100, 1000, 10_000)


class AwsEnvironment(StrEnum):
    """Environments in AWS."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


def cost(
    rate: Annotated[float, typer.Option("--rate", min=0.001, help="Events a second.")] = 100.0,
    mix: Annotated[
        str, typer.Option("--mix", help="A file with a traffic profile, or `default`.")
    ] = "default",
    env: Annotated[
        AwsEnvironment, typer.Option("--env", help="The environment whose settings the paths use.")
    ] = AwsEnvironment.PROD,
    monthly: Annotated[
        bool,
        typer.Option("--monthly", help="Show also the bill of a month at this rate, by AWS service."),
    ] = False,
    lines: Annotated[bool, typer.Option("--lines", help="Show also the items of each figure.")] = False,
    as_json: Json = False,
) -> None:
    """Show the price of each idle environment a month, and of a million events on each path, in dollars.

    Quantities are measured (recorded calls), listed (counted in templates and definitions) or assumed.
    """
    from cli.costing import confidence, deployment, idle, prices
    from cli.costing import mix as mixes
    from cli.costing import monthly as month
    from cli.costing.paths import Paths

    listed = prices.load()
    try:
        profile = mixes.Mix() if mix == "default" else mixes.read_mix(Path(mix))
    except (OSError, ValueError) as error:
        raise UsageError(f"--mix: {error}") from error
    deployments = {}
    with err.status("reading the templates …") as status:
        for name in AwsEnvironment:
            status.update(f"reading the templates of {name} …")
            deployments[name] = deployment.load(name, checkout().root / "build" / "cdk")
    idling = {str(name): idle.usage(one, listed) for name, one in deployments.items()}

    def used_at(a_second: float) -> dict[str, prices.Usage]:
        return Paths(deployments[env], listed, rate=a_second, request=profile.request).all()

    def dollars_at(a_second: float) -> dict[str, float]:
        dollars = {name: listed.of(usage) for name, usage in used_at(a_second).items()}
        return {name: round(value, 3) for name, value in (dollars | mixes.totals(dollars, profile)).items()}

    items = {f"idle.{item}": confidence.when_idle(item) for usage in idling.values() for item in usage}
    document: dict[str, Any] = {
        "idle": {"local": 0.0} | {name: round(listed.of(usage), 2) for name, usage in idling.items()},
        "perMillion": dollars_at(rate),
        "perMillionByRate": {str(one): dollars_at(one) for one in RATES},
        "confidence": {name: str(one) for name, one in (confidence.PATHS | items).items()},
        "priceDate": listed.date,
    }
    if monthly:
        bill = month.lines(idling[env], used_at(rate), profile, listed, rate)
        document["monthly"] = {"environment": str(env), **month.bill(bill, rate)}
    if lines:
        document["lines"] = {
            name: {item: round(value, 4) for item, value in listed.lines(usage).items() if value >= 0.00005}
            for name, usage in (
                {f"idle.{name}": usage for name, usage in idling.items()} | used_at(rate)
            ).items()
        }
    if as_json:
        print_json(document)
        return
    if monthly:
        show_month(document["monthly"], listed.date, mix)
    else:
        _show(document, env, rate)
    for name, items in document.get("lines", {}).items():
        out.print(f"{name}: " + ", ".join(f"{item} {value:.4g}" for item, value in items.items()))


def _show(document: dict[str, Any], env: str, rate: float) -> None:
    idle_table = table("environment", "$ a month", title=f"Idle (list prices of {document['priceDate']})")
    for name, value in document["idle"].items():
        idle_table.add_row(name, f"{value:.2f}")
    out.print(idle_table)
    columns = {f"{rate:g}": document["perMillion"]} | document["perMillionByRate"]
    headings = [f"{float(one):,g} a second" for one in columns]
    path_table = table("path", *headings, "quantities", title=f"Dollars per million events in {env}")
    for name in document["perMillion"]:
        cells = [f"{column[name]:.3f}" for column in columns.values()]
        path_table.add_row(name, *cells, document["confidence"][name])
    out.print(path_table)


def show_month(bill: dict[str, Any], prices_of: str, mix: str) -> None:
    """Prints the bill of a month; `mix` as it was given."""
    shown = table(
        "service", "$ a month", "of it idle", "quantities", title=f"A month of {bill['environment']}"
    )
    for one in bill["services"]:
        shown.add_row(one["service"], f"{one['dollars']:,.2f}", f"{one['idle']:,.2f}", _shares(one))
    shown.add_row("all", f"{bill['dollars']:,.2f}", f"{bill['idle']:,.2f}", _shares(bill))
    for line in (
        f"{bill['eventsPerSecond']:,g} events a second all month, {bill['eventsPerMonth']:,} in all, at list prices of "
        f"{prices_of}: ${bill['dollars']:,.2f} a month.",
        "Traffic is like that of millrace seed; --mix FILE describes another."
        if mix == "default"
        else f"Traffic is as {mix} describes it.",
        f"Of the dollars, ${bill['measured']:,.2f} rest on measured quantities, ${bill['listed']:,.2f} on counts of "
        f"what is deployed, and ${bill['assumed']:,.2f} on assumptions.",
        "It is the bill once every table holds as much as it ever will: rows expire as fast as they come. Not in it: "
        "queries and reads of users, training jobs, data transfer to the internet, support, taxes.",
    ):
        for part in wrapped(line):
            out.print(part, markup=False)
    out.print(shown)


def _shares(one: dict[str, Any]) -> str:
    parts = {name: one[name] / one["dollars"] for name in ("measured", "listed", "assumed") if one["dollars"]}
    return ", ".join(f"{name} {share:.0%}" for name, share in parts.items() if share >= 0.005)
