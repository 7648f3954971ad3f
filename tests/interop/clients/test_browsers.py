"""SDKs for browsers in a real one: pages of a key's origin send and read the answers, pages of others do not."""

import json
import shutil
from collections import Counter

import pytest

from tests.interop.clients.conftest import Api
from tests.interop.clients.environments import run_node
from tests.support import events
from tests.support.doors import write_key
from tests.support.emulator import free_port

pytestmark = pytest.mark.interop
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def chromium() -> str:
    """The program; skips the tests where there is none."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"there is none of {', '.join(BROWSERS)}")
    return found


def test_pages_of_the_keys_origin_send_and_others_do_not(api: Api, chromium: str) -> None:
    port = free_port()
    key = write_key(api.platform, origins=(f"http://127.0.0.1:{port}",))
    order = events.order()
    found = run_node(
        "browsers", URL=api.url, KEY=key, PORT=str(port), CHROMIUM=chromium, EVENT=json.dumps(order)
    )
    # A page cannot tell a refusal from a broken line, so the SDK tries it again.
    assert set(found.pop("hostile")) == {f"POST /v1/{kind} net::ERR_FAILED" for kind in "ipt"}
    by_kind = ["identify", "page", "track"]
    assert found == {
        "segment": [f"POST /v1/{kind[0]} 200" for kind in by_kind],
        "segment, batches": ["POST /v1/b 200"],
        "rudderstack": [f"POST /v1/{kind} 200" for kind in by_kind],
        "rudderstack, beacons": ["POST /beacon/v1/batch 200"],
        "snowplow": ["POST /com.snowplowanalytics.snowplow/tp2 200"],
        "snowplow, images": ["GET /i 200"] * 2,
        "beacon": ["POST /v1/collect 202"],
    }
    assert api.platform.get("/v1/quarantine")["body"]["items"] == []
    assert Counter(row["typeKey"]["S"].split("#")[1] for row in api.platform.rows("Events")) == {
        "user.identified": 4,
        "product.viewed": 6,
        "page.viewed": 6,
        "order.created": 1,
    }
