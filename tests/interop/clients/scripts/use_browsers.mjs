// SDKs for browsers in pages of a real browser, each as its documentation uses it with a server of one's own.
import {createServer} from "node:http";
import {buildSync} from "esbuild";
import {chromium} from "playwright-core";

const {URL: api, KEY: key, PORT: port, CHROMIUM: executablePath} = process.env;
const host = new URL(api).host;
const own = `{apiHost: "${host}/v1", protocol: "http"}`;
const segment = (more) => `
  import {AnalyticsBrowser} from "@segment/analytics-next";
  const own = {...${own}, ...${more}};
  const analytics = AnalyticsBrowser.load(
    {writeKey: "${key}", cdnSettings: {integrations: {"Segment.io": {apiKey: "${key}", ...own}}}},
    {integrations: {"Segment.io": own}},
  );
  analytics.identify("usr_1", {email: "ana@example.org", plan: "pro"});
  analytics.track("Product Viewed", {productId: "sku_1"});
  analytics.page("Shop", "Home");
`;
const rudderstack = (more) => `
  import {RudderAnalytics} from "@rudderstack/analytics-js/bundled";
  const analytics = new RudderAnalytics();
  const source = {id: "web", name: "web", writeKey: "${key}", enabled: true, config: {}, workspaceId: "shop", destinations: []};
  analytics.load("${key}", "${api}", {getSourceConfig: () => ({source}), ...${more}});
  analytics.identify("usr_1", {email: "ana@example.org", plan: "pro"});
  analytics.track("Product Viewed", {productId: "sku_1"});
  analytics.page("Shop", "Home");
`;
const snowplow = (more) => `
  import {newTracker, setUserId, trackPageView, trackSelfDescribingEvent} from "@snowplow/browser-tracker";
  newTracker("shop", "${api}", {appId: "${key}", ...${more}});
  setUserId("usr_1");
  trackPageView({context: [{schema: "iglu:com.example/visitor/jsonschema/1-0-0", data: {kind: "web"}}]});
  trackSelfDescribingEvent({event: {schema: "iglu:com.example/product_view/jsonschema/1-0-0", data: {productId: "sku_1"}}});
`;
const pages = {
  segment: segment("{}"),
  "segment, batches": segment('{deliveryStrategy: {strategy: "batching", config: {size: 3, timeout: 500}}}'),
  rudderstack: rudderstack("{}"),
  "rudderstack, beacons": rudderstack("{useBeacon: true, beaconQueueOptions: {flushQueueInterval: 500}}"),
  snowplow: snowplow("{}"),
  "snowplow, images": snowplow('{eventMethod: "get"}'),
  // What a page's own script writes, without an SDK.
  beacon: `navigator.sendBeacon("${api}/v1/collect", JSON.stringify({writeKey: "${key}", events: [${process.env.EVENT}]}));`,
};
const made = Object.values(pages).map((contents) =>
  buildSync({stdin: {contents, resolveDir: "."}, bundle: true, write: false, format: "esm"}).outputFiles[0].text,
);
const server = createServer((request, answer) => {
  const script = request.url.match(/^\/(\d)\.js$/);
  answer.setHeader("content-type", script ? "text/javascript; charset=utf-8" : "text/html; charset=utf-8");
  answer.end(script ? made[script[1]] : `<title>Shop</title><script type="module" src="${request.url}.js"></script>`);
});
await new Promise((done) => server.listen(Number(port), "127.0.0.1", done));
const browser = await chromium.launch({executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]});

// Of each page the requests to the API: method, path, status or why there was none; preflights apart.
async function visit(origin, number) {
  const page = await (await browser.newContext()).newPage();
  const asked = [], begun = [];
  const said = (request, how) => {
    const {host: to, pathname} = new URL(request.url());
    if (to === host && request.method() !== "OPTIONS") asked.push(`${request.method()} ${pathname} ${how}`);
  };
  page.on("request", (request) => new URL(request.url()).host === host && request.method() !== "OPTIONS" && begun.push(request));
  page.on("response", (response) => said(response.request(), response.status()));
  page.on("requestfailed", (request) => said(request, request.failure()?.errorText));
  await page.goto(`${origin}/${number}`);
  const least = {segment: 3, rudderstack: 3, "snowplow, images": 2}[Object.keys(pages)[number]] ?? 1;
  for (let i = 0; i < 300 && (asked.length < least || asked.length < begun.length); i++) await page.waitForTimeout(100);
  await page.context().close();
  return asked.sort();
}

const found = {};
try {
  for (const [number, name] of Object.keys(pages).entries()) found[name] = await visit(`http://127.0.0.1:${port}`, number);
  // The same server by another name is another origin, of which the key knows nothing.
  found.hostile = await visit(`http://localhost:${port}`, 0);
} finally {
  await browser.close();
  server.close();
}
console.log(JSON.stringify(found));
process.exit(0);
