"""What is known of fields that look personal: the newest day of each, in whatever order runs say so; and which columns have it."""

from itertools import permutations

import pytest

from millrace.catalog import suspects
from millrace.catalog.suspects import Suspect
from millrace.runs.documents import Suspected
from tests.support.contracts import contract, field
from tests.support.runs import part

TABLE, ORG = "silver.thing_happened_v1", "org_acme"
NOTE = "/data/payload/note"


def test_buckets_of_a_day_are_summed_and_the_newest_day_counts() -> None:
    mail = (Suspected(NOTE, "email", 3),)
    parts = [
        part(TABLE, ORG, "2026-11-20", looked=10, suspected=mail),
        part(TABLE, ORG, "2026-11-21", looked=20, suspected=mail),
        part(TABLE, ORG, "2026-11-21", looked=20),
    ]
    (found,) = suspects.of_parts(parts)
    assert found == Suspect(NOTE, "email", "2026-11-21", 3, 40)
    assert found.to_json() == {"kind": "email", "share": 0.075, "lastSeen": "2026-11-21"}


def test_runs_may_be_published_in_any_order_and_twice() -> None:
    runs = [
        [Suspect(NOTE, "email", day, 1, count)]
        for count, day in enumerate(("2026-11-19", "2026-11-20", "2026-11-21"), 1)
    ]
    for order in permutations([*runs, runs[0]]):
        known: list[Suspect] = []
        for found in order:
            known = suspects.merged(known, found, "2026-11-22")
        assert known == runs[2]


def test_it_is_forgotten_after_90_days() -> None:
    known = [Suspect(NOTE, "email", "2026-08-23", 1, 2)]
    assert suspects.merged(known, [], "2026-11-21") == known
    assert suspects.merged(known, [], "2026-11-22") == []


@pytest.mark.parametrize(
    ("pointer", "column"),
    [
        (NOTE, "note"),
        ("/data/payload/buyer/name", "buyer_name"),
        ("/data/payload/tags/*", "tags"),
        ("/data/payload/free/deep/*", "free"),
        ("/correlationId", "correlation_id"),
        ("/data/payload/other", None),
    ],
)
def test_the_column_of_a_field(pointer: str, column: str | None) -> None:
    made = contract(
        field("note"),
        field("buyer", "object", properties=[field("name")]),
        field("tags", "array", items={"logicalType": "string"}),
        field("free", "object"),
    )
    one = Suspect(pointer, "email", "2026-11-21", 1, 2)
    assert suspects.by_column([one], made) == {column: [one]}


def test_what_the_contract_now_protects_or_takes_on_purpose_is_suspected_no_more() -> None:
    one = Suspect(NOTE, "email", "2026-11-21", 1, 2)
    assert suspects.by_column([one], contract(field("note", classification="confidential"))) == {}
    assert suspects.by_column([one], contract(field("note"), personalData={"except": [NOTE]})) == {}


def test_a_column_has_what_those_have_that_it_is_made_of() -> None:
    sources = {
        "gold.things": {"text": ((TABLE, "note"),), "count": ()},
        "marts.things": {
            "shown": (("gold.things", "text"), (TABLE, "note")),
            "loop": (("marts.things", "loop"),),
        },
    }
    one = Suspect(NOTE, "email", "2026-11-21", 1, 2)
    found = suspects.downstream({TABLE: {"note": [one]}}, sources, "marts.things")
    assert {name: [s.to_json() for s in held] for name, held in found.items()} == {"shown": [one.to_json()]}
