"""A client that openapi-python-client makes of the API's document; it passes `mypy --strict`."""

import json
import os

from millrace_client import AuthenticatedClient
from millrace_client.api.events import get_event, list_events, post_events
from millrace_client.models.order_created_v1 import OrderCreatedV1
from millrace_client.types import UNSET, Unset

client = AuthenticatedClient(base_url=os.environ["URL"], token=os.environ["KEY"])
order = OrderCreatedV1.from_dict(json.loads(os.environ["EVENT"]))
posted = post_events.sync_detailed(client=client, body=[order, order])
results = [one["status"] for one in json.loads(posted.content)["results"]]
seen: list[str] = []
cursor: str | Unset = UNSET
while True:
    page = json.loads(
        list_events.sync_detailed(client=client, event_type="order.created", limit=1, cursor=cursor).content
    )
    seen += [item["eventId"] for item in page["items"]]
    if not page["cursor"]:
        break
    cursor = page["cursor"]
one = get_event.sync_detailed(str(order.event_id), client=client)
missing = get_event.sync_detailed("0f9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b99", client=client)
read = json.loads(one.content)["eventId"]
print(json.dumps({"results": results, "seen": seen, "read": read, "missing": int(missing.status_code)}))
