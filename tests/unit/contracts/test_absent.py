"""A null of an optional field that is declared is not a field; any other null is a value."""

from millrace.contracts.absent import without_nulls
from tests.support.contracts import contract, event, field

MADE = contract(
    field("a"),
    field("free", "object"),
    field("deep", "object", properties=[field("b"), field("c")]),
    field("list", "array", items={"logicalType": "object", "properties": [field("d")]}),
)


def test_nulls_of_declared_fields_go() -> None:
    payload = {"a": None, "deep": {"b": None, "c": "x"}, "list": [{"d": None}, {"d": "y"}]}
    sent = event(payload, userId=None, correlationId="z")
    sent["data"]["metadata"] = None
    kept = without_nulls(sent, MADE)
    assert kept == event({"deep": {"c": "x"}, "list": [{}, {"d": "y"}]}, correlationId="z")
    assert payload["a"] is None, "what was sent is as it was"


def test_other_nulls_stay() -> None:
    sent = event({"free": {"a": None, "b": [None]}, "unheard": None, "deep": {"more": None}})
    assert without_nulls(sent, MADE) == sent
