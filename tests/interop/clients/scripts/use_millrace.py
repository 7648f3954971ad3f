"""millrace-client as its README uses it: batches, a buffer in a file, and an event that is refused."""

import json
import os
import tempfile
from decimal import Decimal
from pathlib import Path

from millrace.client import Client

payload = json.loads(os.environ["PAYLOAD"], parse_float=Decimal)
refused = []
with tempfile.TemporaryDirectory() as folder:
    buffer = Path(folder) / "events.sqlite"
    with Client(
        os.environ["URL"],
        os.environ["KEY"],
        buffer=buffer,
        on_refused=lambda event, result: refused.append([event["eventId"], result["status"]]),
    ) as events:
        sent = [events.send("order.created", payload, user_id=payload["userId"]) for _ in range(600)]
        bad = events.send("order.created", {"orderId": "ord_1"})
        whole = events.flush(60)
found = {"whole": whole, "taken": events.counts.taken, "refused": refused == [[bad, "rejected"]]}
print(json.dumps({**found, "ends": [sent[0], sent[-1]]}))
