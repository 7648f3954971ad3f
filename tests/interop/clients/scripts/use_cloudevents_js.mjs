// The CloudEvents SDK for JavaScript, as its documentation uses it: an emitter over HTTP in both modes.
import {CloudEvent, emitterFor, Mode} from "cloudevents";

const results = [];
const transport = async ({headers, body}) => {
  const answer = await fetch(`${process.env.URL}/v1/events`, {
    method: "POST",
    headers: {...headers, authorization: `Bearer ${process.env.KEY}`},
    body,
  });
  results.push([answer.status, (await answer.json()).results.map((one) => one.status)]);
};
const modes = [Mode.BINARY, Mode.STRUCTURED];
for (const [number, order] of JSON.parse(process.env.EVENTS).entries()) {
  const event = new CloudEvent({
    id: order.eventId,
    type: order.eventType,
    source: "/shop/lisbon",
    time: order.timestamp,
    userid: order.data.payload.userId,
    datacontenttype: "application/json",
    data: order.data.payload,
  });
  await emitterFor(transport, {mode: modes[number]})(event);
}
console.log(JSON.stringify(results));
