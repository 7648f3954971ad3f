"""Segment's SDK for Python, as its documentation uses it."""

import json
import os

from segment import analytics

problems = []
analytics.write_key = os.environ["KEY"]
analytics.host = os.environ["URL"]
analytics.gzip = True
analytics.on_error = lambda error, items: problems.append(str(error))

analytics.identify("usr_1", {"email": "ana@example.org", "plan": "pro"})
analytics.track("usr_1", "Product Viewed", {"productId": "sku_1"})
analytics.page("usr_1", "Shop", "Home", {"url": "https://shop.example/"})
analytics.screen("usr_1", "Shop", "Basket")
analytics.group("usr_1", "acme", {"employees": 42})
analytics.alias("anon-1", "usr_1")
analytics.flush()
print(json.dumps({"problems": problems}))
