// A client of types that openapi-typescript makes of the API's document, under the strictest settings of the compiler.
import createClient from "openapi-fetch";
import type {components, paths} from "./api.d.ts";

type Event = components["schemas"]["Event"];
const api = createClient<paths>({baseUrl: process.env.URL!, headers: {authorization: `Bearer ${process.env.KEY}`}});
const order: components["schemas"]["OrderCreatedV1"] = JSON.parse(process.env.EVENT!);
const sent: Event = {...order, eventType: "order.created"};
const posted = await api.POST("/v1/events", {body: [sent, sent]});
if (posted.error) throw new Error(JSON.stringify(posted.error));
const seen: string[] = [];
let cursor: string | undefined;
do {
  const page = await api.GET("/v1/events", {params: {query: {eventType: "order.created", limit: 1, ...(cursor ? {cursor} : {})}}});
  if (page.error) throw new Error(JSON.stringify(page.error));
  for (const item of page.data.items) seen.push(item.eventId);
  cursor = page.data.cursor ?? undefined;
} while (cursor);
const one = await api.GET("/v1/events/{eventId}", {params: {path: {eventId: order.eventId}}});
const missing = await api.GET("/v1/events/{eventId}", {params: {path: {eventId: "0f9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b99"}}});
console.log(JSON.stringify({results: posted.data.results.map((r) => r.status), seen, read: one.data?.eventId, missing: missing.response.status}));
