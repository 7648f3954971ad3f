// The registry client of KafkaJS's users, as its documentation uses it.
import kafkajs from "@kafkajs/confluent-schema-registry";
import {Ajv2020} from "ajv/dist/2020.js";

const {SchemaRegistry, SchemaType} = kafkajs;
const registry = new SchemaRegistry(
  {host: process.env.URL, auth: {username: "millrace", password: process.env.KEY}},
  // Without it the client takes every JSON Schema for one of draft 7.
  {[SchemaType.JSON]: {ajvInstance: new Ajv2020({strict: false, validateFormats: false})}},
);
const event = JSON.parse(process.env.EVENT);
const id = await registry.getLatestSchemaId("order.created-json");
const byVersion = await registry.getRegistryId("order.created-json", 1);
const back = await registry.decode(await registry.encode(id, event));
const avro = await registry.getSchema(await registry.getLatestSchemaId("order.created-value"));
const registered = await registry.register(
  {type: SchemaType.AVRO, schema: JSON.stringify(avro)},
  {subject: "order.created-value"},
).then((one) => one.id, (error) => String(error));
console.log(JSON.stringify({same: id === byVersion, eventId: back.eventId, registered}));
