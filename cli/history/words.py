"""The result of a back-test in words, for the terminal and for the report."""

from collections.abc import Iterator, Mapping
from typing import Any

from cli.output import counted, visible

TITLES = {
    "caught": "Frauds that the rules catch",
    "missed": "Frauds that the rules miss",
    "stoppedInError": "Alerts in error",
    "newlyCaught": "Frauds that the baseline misses and the rules catch",
    "newlyMissed": "Frauds that the baseline catches and the rules miss",
    "newlyStoppedInError": "New alerts in error",
    "noLongerStoppedInError": "Alerts in error of the baseline that are gone",
}
_ID_LENGTH = 80


def sentences(result: Mapping[str, Any]) -> Iterator[str]:
    """What was tested on what, and what it came to."""
    data, rules, money = result["data"], result["rules"], result["money"]
    tenant = f", tenant {visible(data['org'])}" if data["org"] else ""
    if result["rows"]:
        yield f"Data: {visible(data['path'])}{tenant}, {data['from']} to {data['to']}."
    else:
        yield f"Data: {visible(data['path'])}{tenant}, without transactions."
    yield f"Rules: {visible(rules['file'])}, version {visible(result['rulesVersion'])}."
    if rules["comparedWith"] is not None:
        count = counted(len(rules["changes"]), "difference")
        yield f"Against {visible(rules['comparedWith'])}: {count if rules['changes'] else 'no difference'}."
        yield from (f"  {visible(change)}" for change in rules["changes"])
    yield (
        f"Of {counted(result['rows'], 'transaction')} the rules raise {counted(result['alerts'], 'alert')} "
        f"({result['alertRate']:.2%}): class {visible(result['alertClass'])} or above."
    )
    caught = result["examples"]["caught"]["count"]
    yield (
        f"They catch {caught:,} of {counted(result['fraud'], 'fraud')} ({result['recall']:.1%}), "
        f"{money['caught']:,.2f} of {money['fraud']:,.2f} in money ({money['share']:.1%}); "
        f"{counted(result['alerts'] - caught, 'alert')} in error."
    )


def example(one: Mapping[str, Any]) -> str:
    """A transaction in a line: its id, moment and amount, and why it is an alert or none."""
    amount = "no amount" if one["amount"] is None else f"{one['amount']:,.2f}"
    return f"{name(one)}  {one['at']}  {amount}  {why(one)}"


def name(one: Mapping[str, Any]) -> str:
    """The id of a transaction."""
    shown = visible(one["transaction"] or "without an id")
    return shown if len(shown) <= _ID_LENGTH else shown[: _ID_LENGTH - 1] + "…"


def why(one: Mapping[str, Any]) -> str:
    """The score, and what it is made of."""
    factors = ", ".join(f"{reason['factor']} {reason['points']:+g}" for reason in one["reasons"])
    return f"score {one['score']}: {factors or 'no factor fired'}"
