"""Stored events as a caller may see them, whatever they hold."""

import json
from collections.abc import Iterable
from pathlib import Path

import orjson
import pytest

from millrace.contracts import registry
from millrace.privacy.reading import PersonalReads, StoredBody
from millrace.privacy.subjects import Person
from tests.support import events
from tests.support.people import EverybodyIsKnown

ACME = "org_acme"


class Nobody(EverybodyIsKnown):
    """People who are all erased."""

    def of_numbers(self, _: str, __: Iterable[int]) -> dict[int, Person]:
        return {}


@pytest.fixture
def reads(bundle: Path) -> PersonalReads:
    return PersonalReads(registry.load(), Nobody())  # type: ignore[arg-type]


def stored(note: bytes, *, shipped: bool) -> StoredBody:
    event = events.shipped_order() if shipped else events.order()
    event["data"]["payload"]["note"] = "here"
    event["platform"] = {"orgId": ACME, "contract": "order.created/1.2.0"}
    return StoredBody("order.created", orjson.dumps(event).replace(b'"here"', note))


@pytest.mark.parametrize("levels", [10, 254, 600])
def test_a_row_that_nests_deeper_than_json_is_written_is_masked_as_others(
    reads: PersonalReads, levels: int
) -> None:
    deep = stored(b"[" * levels + b"]" * levels, shipped=True)
    (body,) = reads.shown(ACME, [deep], clear=False).bodies
    assert json.loads(body)["data"]["metadata"]["shippingAddress"]["street"] == "sealed"
    assert b"Marked" not in body
    assert b"[" * levels in body


def test_what_needs_no_mask_is_the_very_bytes_that_were_stored(reads: PersonalReads) -> None:
    spaced = stored(b'[1.0, 1e2,  "\\u00e9"]', shipped=False)
    for clear in (False, True):
        shown = reads.shown(ACME, [spaced], clear=clear)
        assert shown.bodies == [spaced.body]
        assert shown.disclosed == []
