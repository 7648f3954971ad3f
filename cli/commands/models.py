"""`millrace models`: registered versions of models, and the champion that serves."""

from typing import Annotated, Any

import orjson
import typer

from cli.errors import RefusedError, UsageError
from cli.ml import models
from cli.options import Env, Json, Org
from cli.output import counted, err, fitted, out, print_json, table
from cli.target import Target, find_target
from cli.tenants import tenant

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Registered models, and the champion that serves."
)
Number = Annotated[str, typer.Argument(help="Such as 3 or fraud/00000003.", metavar="VERSION")]


@app.command(name="list")
def list_all(org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """List the tenant's models, the newest first."""
    target = find_target(env)
    whose = tenant(target, org)
    store = models.store(target)
    document = models.document(store.versions(whose, models.MODEL), store.alias(whose, models.MODEL))
    if as_json:
        print_json(document)
    elif not document["models"]:
        out.print(
            f"{whose} has no registered model. Train some with: millrace train --org {whose}", markup=False
        )
    else:
        show(document)


@app.command(name="show")
def show_one(version: Number, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Show one version with its card: features, days, rows, importances, sources."""
    target = find_target(env)
    whose = tenant(target, org)
    store = models.store(target)
    one = store.version(whose, models.MODEL, _number(version))
    if one is None:
        raise RefusedError(f"{whose} has no version {_number(version)} of {models.MODEL}")
    document = models.document([one], store.alias(whose, models.MODEL))
    document["models"][0]["card"] = _card(target, f"{one.artifact}model.json")
    if as_json:
        print_json(document)
    else:
        show(document)
        _show_card(document["models"][0]["card"])


@app.command()
def promote(
    version: Number,
    force: Annotated[
        bool, typer.Option("--force", help="Even if it did not pass the gates, or was trained on files.")
    ] = False,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Make another version the champion."""
    _number(version)
    _change(version, "promote", org, env, as_json=as_json, force=force)


@app.command()
def rollback(org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Return to the previous champion; repeated, to the one before that."""
    _change("previous", "rollback", org, env, as_json=as_json)


def _change(
    to: str, reason: str, org: str | None, env: str | None, *, as_json: bool, force: bool = False
) -> None:
    target = find_target(env)
    whose = tenant(target, org)
    with err.status("changing the champion …"):
        change = models.change_champion(target, whose, to, reason, force=force)
        store = models.store(target)
        alias = store.alias(whose, models.MODEL)
        now = store.version(whose, models.MODEL, change["version"])
    document = {
        **models.document([now] if now else [], alias),
        "status": change["status"],
        "move": change["move"],
    }
    if as_json:
        print_json(document)
        return
    if change["status"] == "unchanged":
        out.print(f"{models.MODEL}/{change['version']} was the champion already.", markup=False)
        return
    before = f" instead of {models.MODEL}/{change['replaces']}" if change["replaces"] else ""
    out.print(
        f"{models.MODEL}/{change['version']} serves {whose}{before}; every scorer uses it within a minute.",
        markup=False,
    )


def _number(text: str) -> str:
    from millrace.core.errors import PermanentError
    from millrace.model_registry.rows import version_named

    try:
        return version_named(text)
    except PermanentError as error:
        raise UsageError(str(error)) from error


def _card(target: Target, key: str) -> Any:
    from millrace.core.errors import MillraceError
    from millrace.core.objects import Objects

    try:
        return orjson.loads(Objects(target.client("s3"), target.output("LakeBucket")).get(key))
    except (MillraceError, orjson.JSONDecodeError) as error:
        raise RefusedError(f"its card {key} cannot be read: {error}") from error


def show(document: dict[str, Any]) -> None:
    """Prints versions as a table: metrics, and gates that were not passed."""
    rows = []
    for one in document["models"]:
        figures = [one["metrics"].get(name) for name in ("precision", "recall", "f1", "auc_roc")]
        missed = [name for name, gate in one["gates"].items() if not gate["passed"]]
        rows.append(
            (
                one["version"] or "–",
                one["name"],
                one["status"],
                *(f"{value:.3f}" if isinstance(value, int | float) else "–" for value in figures),
                ", ".join(missed) or one.get("error", ""),
                str(one.get("runId") or document["runId"]),
            )
        )
    columns = ("version", "algorithm", "status", "precision", "recall", "F1", "AUC", "not passed", "run")
    out.print(fitted(columns, rows, folded={"not passed"}, optional=("run", "F1", "AUC", "recall")))


def _show_card(card: dict[str, Any]) -> None:
    split = card["split"]
    out.print(
        f"trained on {' to '.join(split['train'])} ({counted(card['rows']['train'], 'row')}), "
        f"tested on {' to '.join(split['test'])} ({counted(card['rows']['test'], 'row')}), data: {card['data']}",
        markup=False,
    )
    heaviest = table("feature", "importance")
    for name, importance in list(card["importances"].items())[:10]:
        heaviest.add_row(name, f"{importance:.4f}")
    out.print(heaviest)
