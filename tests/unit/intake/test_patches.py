"""JSON Patches on events: RFC 6902 by the library, bounded by us, and silent about what an event holds."""

import time
from typing import Any

import jsonpatch
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace.core import limits
from millrace.intake.patches import BYTES, BadPatchError, NotApplicableError, Patch

SECRET = "Jane Doe, 1 Secret St"
DOCUMENT: dict[str, Any] = {"a": {"b": [1, 2, {"c": SECRET}]}, "d": None, "e": []}
PATHS = st.sampled_from(
    ["", "/a", "/a/b", "/a/b/0", "/a/b/-", "/a/b/2/c", "/d", "/e", "/e/-", "/new", "/no/way"]
)
VALUES: st.SearchStrategy[Any] = st.sampled_from([None, 1, [], {"x": [SECRET]}, SECRET])
OPERATIONS = st.one_of(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "replace", "test"]), "path": PATHS, "value": VALUES}
    ),
    st.fixed_dictionaries({"op": st.just("remove"), "path": PATHS}),
    st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "path": PATHS, "from": PATHS}),
)


@settings(max_examples=300)
@example([{"op": "move", "path": "/e", "from": "/a"}, {"op": "copy", "path": "/e/-", "from": ""}])
@given(st.lists(OPERATIONS, max_size=6))
def test_it_says_what_the_library_says(operations: list[dict[str, Any]]) -> None:
    fails, wanted = False, None
    try:
        wanted = jsonpatch.JsonPatch(operations).apply(DOCUMENT)
    except Exception:  # noqa: BLE001  the library has many ways to say so
        fails = True
    patch = Patch(operations)
    for _ in range(2):  # what one event was given is not what the next one is given
        event = orjson.loads(orjson.dumps(DOCUMENT))
        if not fails:
            assert patch.apply(event) == wanted
            continue
        with pytest.raises(NotApplicableError) as raised:
            patch.apply(event)
        assert "Jane" not in str(raised.value)
        assert len(str(raised.value)) <= 80


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a/b/2/c", "value": "x"},
        {"op": "remove", "path": f"/a/{SECRET}"},
        {"op": "add", "path": "/a/b/2/c/d", "value": 1},
        {"op": "copy", "from": "/a/b/9", "path": "/x"},
        {"op": "move", "from": "/a", "path": "/a/b/0"},
        {"op": "add", "path": "/a/b/" + "9" * 5000, "value": 1},
    ],
)
def test_a_failure_shows_nothing_of_the_event_nor_of_the_patch(operation: dict[str, Any]) -> None:
    with pytest.raises(NotApplicableError, match=r"^operation 1 of the patch \(\w+\) does not apply$"):
        Patch([operation]).apply(orjson.loads(orjson.dumps(DOCUMENT)))


@pytest.mark.parametrize(
    "operation",
    [None, 1, "add", [], {}, {"op": 1}, {"op": "add"}, {"op": "x", "path": ""}, {"op": "copy", "path": ""}],
)
def test_what_is_no_operation_is_said_before_any_event(operation: Any) -> None:
    with pytest.raises(BadPatchError, match="operation 2"):
        Patch([{"op": "remove", "path": "/a"}, operation])
    with pytest.raises(BadPatchError, match="at most 50"):
        Patch([{"op": "remove", "path": "/a"}] * 51)


LARGEST = {"payload": {"extra": [{"": 0}] * 35_000}, "text": "x" * 10_000}


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "test", "path": "/text", "value": "x" * 10_000}] * 50,
        [{"op": "test", "path": "/payload/extra/0", "value": {"": 0}}] * 50,
        [{"op": "copy", "from": "/payload", "path": "/x"}, {"op": "remove", "path": "/x"}] * 25,
        [{"op": "add", "path": "/payload/extra/0", "value": 1}, {"op": "remove", "path": "/payload/extra/0"}]
        * 25,
        [{"op": "move", "from": "/payload/extra/0", "path": "/payload/extra/-"}] * 50,
    ],
)
def test_the_largest_event_is_patched_in_a_moment(operations: list[dict[str, Any]]) -> None:
    raw = orjson.dumps(LARGEST)
    assert limits.BYTES_PER_EVENT * 0.9 < len(raw) < limits.BYTES_PER_EVENT * 1.1
    patch, started = Patch(operations), time.process_time()
    patch.apply(orjson.loads(raw))
    # Value by value, as the library copies, the copies alone take more than ten seconds.
    assert time.process_time() - started < 2.5


def test_an_event_that_is_copied_into_itself_stops_growing() -> None:
    event = {"a": {"b": ["y" * 1000]}}
    copies = [{"op": "copy", "from": "", "path": f"/x{number}"} for number in range(50)]
    with pytest.raises(NotApplicableError, match=r"grows too large$"):
        Patch(copies).apply(event)
    assert len(orjson.dumps(event)) < 2 * BYTES
    with pytest.raises(NotApplicableError):
        Patch([{"op": "copy", "from": "", "path": "/a/b/0"}] * 50).apply({"a": {"b": [1]}})
