"""Snowplow's tracker for Python, as its documentation uses it, by POST and by GET."""

import json
import os

from snowplow_tracker import (
    Emitter,
    PageView,
    SelfDescribing,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
    Tracker,
)

failed = []
for method in ("post", "get"):
    host = os.environ["URL"].removeprefix("http://")
    emitter = Emitter(
        host,
        protocol="http",
        method=method,
        batch_size=10,
        on_failure=lambda _, events: failed.append(len(events)),
    )
    tracker = Tracker("shop", emitter, app_id=os.environ["KEY"], subject=Subject().set_user_id("usr_1"))
    context = [SelfDescribingJson("iglu:com.example/visitor/jsonschema/1-0-0", {"kind": method})]
    tracker.track(PageView("https://shop.example/", "Shop", context=context))
    product = SelfDescribingJson("iglu:com.example/product_view/jsonschema/1-0-0", {"productId": "sku_1"})
    tracker.track(SelfDescribing(product))
    tracker.track(StructuredEvent("shop", "click", label="sku_1", value=2.5))
    tracker.flush()
print(json.dumps({"failed": failed}))
