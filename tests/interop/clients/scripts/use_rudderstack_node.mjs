// RudderStack's SDK for Node, as its documentation uses it.
import module from "@rudderstack/rudder-sdk-node";

const RudderAnalytics = module.default ?? module;
const problems = [];
const analytics = new RudderAnalytics(process.env.KEY, {
  dataPlaneUrl: process.env.URL,
  errorHandler: (error) => problems.push(String(error)),
});
analytics.identify({userId: "usr_1", traits: {email: "ana@example.org", plan: "pro"}});
analytics.track({userId: "usr_1", event: "Product Viewed", properties: {productId: "sku_1"}});
analytics.page({userId: "usr_1", category: "Shop", name: "Home", properties: {url: "https://shop.example/"}});
analytics.screen({userId: "usr_1", name: "Basket"});
analytics.group({userId: "usr_1", groupId: "acme", traits: {employees: 42}});
analytics.alias({userId: "usr_1", previousId: "anon-1"});
await analytics.flush();
console.log(JSON.stringify({problems}));
process.exit(0);
