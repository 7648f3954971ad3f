"""Whatever keeps a contract's schema is taken by all that is made from it; whatever does not, by none."""

import copy
import io
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millrace.compiler.exports import avro
from millrace.contracts.contract import Contract
from millrace.contracts.validator import Validator
from tests.contract.test_exports import ALL, ref, to_avro
from tests.support.contracts import second_opinion
from tests.support.generate import events

VALIDATORS = {made.name: Validator(made) for made in ALL}
SCHEMAS = {made.name: fastavro.parse_schema(avro.export(made)) for made in ALL}
EVENTS = {made.name: events(made) for made in ALL}
FEW = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
WRONG = st.sampled_from(
    [None, True, 0, -1, 2**63, 1.5, 0.00001, "", "text", "\u202e", [], {}, [None], {"a": 1}]
)


@pytest.mark.parametrize("made", ALL, ids=ref)
@FEW
@given(st.data())
def test_what_keeps_the_schema_and_the_same_with_one_thing_made_wrong(
    made: Contract, data: st.DataObject
) -> None:
    event = data.draw(EVENTS[made.name])
    assert {error.code for error in VALIDATORS[made.name].errors(event)} <= {"rule"}
    assert second_opinion(made, event) == set()
    sent = to_avro(avro.export(made), event)
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, SCHEMAS[made.name], sent, strict=True)
    buffer.seek(0)
    assert fastavro.schemaless_reader(buffer, SCHEMAS[made.name], None) == sent

    _spoil(event, data)
    ours = {error.pointer for error in VALIDATORS[made.name].errors(event) if error.code != "rule"}
    found = second_opinion(made, event)
    assert ours == {pointer for pointer, keyword in found if keyword != "uniqueItems"}


def _spoil(event: dict[str, Any], data: st.DataObject) -> None:
    """Changes or removes one value anywhere, or adds a field."""
    places = list(_places(event))
    holder, key = data.draw(st.sampled_from(places))
    action = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if action == "replace":
        holder[key] = copy.deepcopy(data.draw(WRONG))
    elif action == "remove":
        del holder[key]
    elif isinstance(holder, dict):
        holder["unheard"] = 1
    else:
        holder.append(None)


def _places(value: Any) -> Any:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
