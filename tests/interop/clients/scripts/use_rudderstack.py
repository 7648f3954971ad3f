"""RudderStack's SDK for Python, as its documentation uses it."""

import json
import os

from rudderstack import analytics

problems = []
analytics.write_key = os.environ["KEY"]
analytics.dataPlaneUrl = os.environ["URL"]
analytics.gzip = True
analytics.on_error = lambda error, items: problems.append(str(error))

analytics.identify("usr_1", {"email": "ana@example.org", "plan": "pro"})
analytics.track("usr_1", "Product Viewed", {"productId": "sku_1"})
analytics.page("usr_1", "Shop", "Home", {"url": "https://shop.example/"})
analytics.screen("usr_1", "Shop", "Basket")
analytics.group("usr_1", "acme", {"employees": 42})
analytics.alias("anon-1", "usr_1")
analytics.flush()
# A batch as large as the SDK makes one, and a key that is none: what is refused is not sent again for minutes.
for number in range(100):
    analytics.track("usr_2", "Product Viewed", {"productId": f"sku_{number}", "productName": "x" * 30_000})
analytics.flush()
refused = []
wrong = analytics.Client(
    "mk_" + "x" * 43,
    host=os.environ["URL"],
    on_error=lambda error, _: refused.append([error.status, error.code]),
)
wrong.track("usr_1", "Product Viewed", {"productId": "sku_1"})
wrong.flush()
print(json.dumps({"problems": problems, "refused": refused}))
