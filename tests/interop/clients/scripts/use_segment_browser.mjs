// Segment's SDK for browsers in a page of jsdom, as its documentation uses it with an API host of one's own.
import {JSDOM} from "jsdom";

const page = new JSDOM("<title>Shop</title>", {url: process.env.PAGE, pretendToBeVisual: true});
const asked = [];
const send = globalThis.fetch;
const fetched = async (url, request = {}) => {
  // What a browser does before it sends a request with such headers, and what it then lets the page read.
  const asking = await send(url, {method: "OPTIONS", headers: {origin: page.window.location.origin}});
  const allowed = asking.headers.get("access-control-allow-headers").split(", ");
  const refused = Object.keys(request.headers ?? {}).filter((name) => !allowed.includes(name.toLowerCase()));
  const answer = await send(url, {...request, headers: {...request.headers, origin: page.window.location.origin}});
  asked.push([new URL(url).pathname, answer.status, answer.headers.get("access-control-allow-origin"), refused.length]);
  return answer;
};
for (const name of ["window", "document", "navigator", "localStorage", "location", "screen"]) {
  Object.defineProperty(globalThis, name, {value: name === "window" ? page.window : page.window[name], configurable: true});
}
globalThis.fetch = fetched;
const {AnalyticsBrowser} = await import("@segment/analytics-next");
const own = {apiHost: `${new URL(process.env.URL).host}/v1`, protocol: "http"};
const analytics = AnalyticsBrowser.load(
  {writeKey: process.env.KEY, cdnSettings: {integrations: {"Segment.io": {apiKey: process.env.KEY, ...own}}}},
  {integrations: {"Segment.io": own}},
);
await analytics.identify("usr_1", {email: "ana@example.org", plan: "pro"});
await analytics.track("Product Viewed", {productId: "sku_1"});
await analytics.page("Shop", "Home");
console.log(JSON.stringify(asked));
process.exit(0);
