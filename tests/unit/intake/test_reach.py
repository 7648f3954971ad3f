"""Whatever a patch does, a protected value ends where it was, where it is protected as well, or nowhere."""

from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace.contracts import registry
from millrace.intake.patches import NotApplicableError, Patch
from millrace.intake.reach import Reach
from millrace.privacy import places
from tests.support import events

MARK = "Marked"
PATHS = st.sampled_from(
    ["", "/data", "/data/payload", "/data/metadata", "/timestamp", "/x", "/data/payload/mail"]
    + [f"/data/payload/{name}" for name in ("email", "firstName", "registrationSource", "email/0", "0")]
    + ["/data/metadata/ipAddress", "/data/metadata/referrer", "/data/payload/~1email", "/eventType"]
)
VALUES: st.SearchStrategy[Any] = st.sampled_from([None, "own", {}, [], "system.health.check"])
OPERATIONS = st.one_of(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "replace", "test"]), "path": PATHS, "value": VALUES}
    ),
    st.fixed_dictionaries({"op": st.just("remove"), "path": PATHS}),
    st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "path": PATHS, "from": PATHS}),
)


def registered() -> dict[str, Any]:
    payload = {"email": MARK, "firstName": [MARK], "registrationSource": "web"}
    data = {"payload": payload, "metadata": {"ipAddress": MARK, "referrer": "r"}}
    return events.order(eventType="user.registered", version="1") | {"data": data}


def hidden(event: Any) -> str:
    """The event as text, without what its contract protects."""
    contract = registry.load().described(event)
    if contract is None:
        return ""  # Nobody stores it.
    return orjson.dumps(places.of(contract).rewritten(event, lambda *_: "sealed")).decode()


@pytest.mark.usefixtures("bundle")
@settings(max_examples=600, deadline=None)
@example(operations=[{"op": "copy", "from": "/data/payload", "path": "/data/metadata"}], personal=True)
@example(
    operations=[{"op": "copy", "from": "/data/payload/firstName", "path": "/data/payload/email"}],
    personal=True,
)
@example(operations=[{"op": "move", "from": "/data/payload/email", "path": "/timestamp"}], personal=False)
@example(operations=[{"op": "replace", "path": "/eventType", "value": "system.health.check"}], personal=True)
@given(operations=st.lists(OPERATIONS, min_size=1, max_size=4), personal=st.booleans())
def test_no_protected_value_comes_out(operations: list[dict[str, Any]], personal: bool) -> None:
    event = registered()
    reach = Reach(registry.load(), operations, event)
    if not personal and reach.forbidden() is not None:
        return
    try:
        repaired = Patch(operations).apply(event)
    except NotApplicableError:
        return
    if reach.weakened(repaired) is None:
        assert MARK not in hidden(repaired)
