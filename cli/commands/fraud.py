"""`millrace fraud`: explains a decision, and replays decisions from their records."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from cli.api import Api
from cli.errors import RefusedError, UsageError
from cli.options import Env, Json, Org
from cli.output import counted, err, fitted, out, print_json, table
from cli.places import checkout
from cli.target import Target, find_target
from millrace.core import clock
from millrace.core.path_ids import segment

if TYPE_CHECKING:
    from collections.abc import Callable

    from millrace.fraud.derive import Rescore
    from millrace.fraud.rulebook import Rulebook
    from millrace.scoring.registered import RegisteredModels

SHOWN = 50

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Fraud decisions explained, verified and replayed."
)


@app.command()
def explain(
    transaction_id: Annotated[str, typer.Argument(help="The payment system's id.", metavar="TRANSACTION_ID")],
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Derive the decision from its record and compare it byte for byte."),
    ] = False,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Show a decision with its reasons and its inputs."""
    target = find_target(env)
    api = Api(target, org)
    document: dict[str, Any] = api.ask("GET", "/v1/fraud/decisions", query={"transactionId": transaction_id})
    differ: list[str] = []
    if verify:
        differ = _verify(target, api, document)
        document["verified"] = not differ
    if as_json:
        print_json(document)
    else:
        _show(document)
    if differ:
        raise RefusedError("" if as_json else f"the derived decision differs in {', '.join(differ)}")


def _verify(target: Target, api: Api, document: dict[str, Any]) -> list[str]:
    """The fields in which the stored decision differs from the derived one."""
    from millrace.core.errors import MillraceError, PermanentError
    from millrace.fraud import derive

    stored = _stored(api, document["eventId"])
    transaction = api.ask("GET", f"/v1/events/{document['eventId']}")
    try:
        rules = _rulebook().version(stored["rulesVersion"])
    except PermanentError as error:
        raise RefusedError(f"{error} in schemas/fraud, so this decision cannot be derived") from error
    try:
        derived = derive.derive(transaction, stored, rules, _models(target)(transaction["platform"]["orgId"]))
    except MillraceError as error:
        raise RefusedError(f"{error}: this decision cannot be derived") from error
    return [] if derive.same(derived, stored) else derive.differences(derived, stored)


def _models(target: Target) -> "Callable[[str], Rescore]":
    """Returns the `Rescore` of a tenant. Model registry and lake are read only when a decision names a model."""
    loaded: list[RegisteredModels] = []

    def registered() -> "RegisteredModels":
        from cli.ml.models import store
        from millrace.core.objects import Objects
        from millrace.model_registry.files import ArtifactFiles
        from millrace.scoring.registered import RegisteredModels

        if not loaded:
            files = ArtifactFiles(Objects(target.client("s3"), target.output("LakeBucket")))
            loaded.append(RegisteredModels(store(target), files))
        return loaded[0]

    def of(org: str) -> "Rescore":
        def rescore(version: str, inputs: bytes) -> float | None:
            return registered().of(org)(version, inputs)

        return rescore

    return of


def _stored(api: Api, event_id: str) -> dict[str, Any]:
    """The payload of the decision's event, whose id is in the trace of the transaction's event."""
    for step in api.ask("GET", f"/v1/events/{segment(event_id)}/trace")["steps"]:
        if step["step"] == "scored":
            envelope = api.ask("GET", f"/v1/events/{step['detail']['eventId']}")
            payload: dict[str, Any] = envelope["data"]["payload"]
            return payload
    raise RefusedError("the decision's event no longer exists")


def _rulebook() -> "Rulebook":
    from millrace.compiler.fraud_rules import compile_rulebook
    from millrace.contracts.errors import ContractError
    from millrace.fraud.rulebook import Rulebook

    try:
        return Rulebook(compile_rulebook(checkout().root / "schemas"))
    except ContractError as error:
        raise UsageError(str(error)) from error


def _show(document: dict[str, Any]) -> None:
    out.print(
        f"{document['transactionId']}: {document['riskClass']}, a score of {counted(document['score'], 'point')}",
        markup=False,
    )
    shown = table("factor", "points")
    for reason in document["reasons"]:
        shown.add_row(reason["factor"], str(reason["points"]))
    if document["reasons"]:
        out.print(shown)
    else:
        out.print("No factor fired.")
    features = table("feature", "value")
    for name, value in document["features"].items():
        features.add_row(name, _words(value))
    out.print(features)
    if document["modelVersion"] is not None:
        out.print(
            f"The model {document['modelVersion']} gives a probability of fraud of {document['modelScore']}; it adds no points.",
            markup=False,
        )
    out.print(
        f"Decided by rules {document['rulesVersion']} at {document['decidedAt']}, {document['latencyMs']} ms after receipt"
        + (f", without {document['fallback']}." if document["fallback"] else ".")
    )
    if "verified" in document:
        out.print(
            "verified: derived byte for byte"
            if document["verified"]
            else "not verified: the derived decision differs"
        )


def _words(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "unknown"
        case list():
            return ", ".join(value) or "none"
        case _:
            return str(value)


@app.command()
def replay(
    since: Annotated[
        str | None, typer.Option("--from", help="Received at or after (default: a day ago).")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Received before (default: now).")] = None,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", help="Decide by this file (default: by each decision's own version)."),
    ] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Derive the decisions of a period in the order of receipt, and report those that differ."""
    from cli.commands.backtest import rules_of

    now = datetime.now(UTC)
    start, end = _moment(since, now - timedelta(days=1)), _moment(until, now)
    chosen = rules_of(rules) if rules is not None else None
    target = find_target(env)
    with err.status("reading the lake …"):
        from cli.lake import rows

        _, decisions = rows(target, _QUERY.format(start=start.isoformat(), end=end.isoformat()))
    different, undecided = _replayed(decisions, chosen, _models(target))
    document = {
        "rows": len(decisions),
        "different": len(different),
        "undecided": undecided,
        "differences": different[:SHOWN],
    }
    if as_json:
        print_json(document)
    else:
        lines = [(one["org"], one["transactionId"], ", ".join(one["fields"])) for one in different[:SHOWN]]
        if different:
            out.print(fitted(("tenant", "transaction", "differs in"), lines, folded={"differs in"}))
        out.print(
            f"{counted(len(decisions), 'transaction')}: {counted(len(different), 'decision')} different, "
            f"{undecided} without a decision"
        )
    if different and chosen is None:
        raise RefusedError(
            "" if as_json else f"{counted(len(different), 'decision')} cannot be derived as stored"
        )


# The moments are formatted here, so that no text of a caller reaches the statement.
_QUERY = """
SELECT t.org_id, t.event_id, t.timestamp, t.payload, d.payload
FROM raw.events t
LEFT JOIN raw.events d
  ON d.org_id = t.org_id AND d.derived_from = t.event_id AND d.event_type = 'fraud.decision.made'
WHERE t.event_type = 'transaction.created'
  AND t.received_at >= TIMESTAMPTZ '{start}' AND t.received_at < TIMESTAMPTZ '{end}'
QUALIFY row_number() OVER (PARTITION BY t.org_id, t.event_id ORDER BY d.received_at NULLS LAST) = 1
ORDER BY t.received_at, t.event_id
"""


def _replayed(
    decisions: list[tuple[Any, ...]], chosen: Any, models: "Callable[[str], Rescore]"
) -> tuple[list[dict[str, Any]], int]:
    from millrace.core.errors import MillraceError, PermanentError
    from millrace.fraud import derive

    book = _rulebook()
    different, undecided = list[dict[str, Any]](), 0
    for org, event_id, timestamp, transaction, decision in decisions:
        if decision is None:
            undecided += 1
            continue
        stored = orjson.loads(decision)
        envelope = {
            "eventId": event_id,
            "timestamp": timestamp,
            "data": {"payload": orjson.loads(transaction)},
        }
        try:
            rules = chosen or book.version(stored["rulesVersion"])
        except PermanentError as error:
            raise RefusedError(f"{error} in schemas/fraud; name a file with --rules") from error
        try:
            derived = derive.derive(envelope, stored, rules, models(org))
        except MillraceError as error:
            raise RefusedError(
                f"{error}: the decision on {stored['transactionId']} cannot be derived"
            ) from error
        if not derive.same(derived, stored):
            fields = derive.differences(derived, stored)
            # Other rules have another version; only the rest of the decision is compared.
            fields = [
                name for name in fields if chosen is None or name not in ("rulesVersion", "rulesDigest")
            ]
            if fields:
                different.append({"org": org, "transactionId": stored["transactionId"], "fields": fields})
    return different, undecided


def _moment(text: str | None, otherwise: datetime) -> datetime:
    if text is None:
        return otherwise
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text} is not a time such as 2026-11-21 or 2026-11-21T06:00:00Z") from error
    return clock.as_utc(moment)
