// A client that @hey-api/openapi-ts makes of the API's document.
import {client} from "./client/client.gen.js";
import {getEvent, listEvents, postEvents} from "./client/index.js";
import type {OrderCreatedV1} from "./client/index.js";

client.setConfig({baseUrl: process.env.URL!, headers: {authorization: `Bearer ${process.env.KEY}`}});
const order: OrderCreatedV1 = JSON.parse(process.env.EVENT!);
const posted = await postEvents({body: [order, order], throwOnError: true});
const seen: string[] = [];
let cursor: string | undefined;
do {
  const page = await listEvents({query: {eventType: "order.created", limit: 1, ...(cursor ? {cursor} : {})}, throwOnError: true});
  for (const item of page.data.items) seen.push(item.eventId);
  cursor = page.data.cursor ?? undefined;
} while (cursor);
const one = await getEvent({path: {eventId: order.eventId}, throwOnError: true});
const missing = await getEvent({path: {eventId: "0f9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b99"}});
console.log(JSON.stringify({results: posted.data.results.map((r) => r.status), seen, read: one.data.eventId, missing: missing.response?.status}));
