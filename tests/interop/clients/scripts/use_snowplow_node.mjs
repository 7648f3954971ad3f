// Snowplow's tracker for Node, as its documentation uses it.
import {buildPageView, buildSelfDescribingEvent, buildStructEvent, newTracker} from "@snowplow/node-tracker";

const problems = [];
let sent;
const done = new Promise((resolve) => (sent = resolve));
const {hostname, port} = new URL(process.env.URL);
const tracker = newTracker(
  {namespace: "shop", appId: process.env.KEY, encodeBase64: true},
  {
    endpoint: `http://${hostname}:${port}`,
    bufferSize: 3,
    onRequestSuccess: () => sent(),
    onRequestFailure: (data) => (problems.push(data.status), sent()),
  },
);
tracker.setUserId("usr_1");
const context = [{schema: "iglu:com.example/visitor/jsonschema/1-0-0", data: {kind: "node"}}];
tracker.track(buildPageView({pageUrl: "https://shop.example/", pageTitle: "Shop"}), context);
const product = {schema: "iglu:com.example/product_view/jsonschema/1-0-0", data: {productId: "sku_1"}};
tracker.track(buildSelfDescribingEvent({event: product}));
tracker.track(buildStructEvent({category: "shop", action: "click", value: 2.5}));
tracker.flush();
await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 20_000))]);
console.log(JSON.stringify({problems}));
process.exit(0);
