// Confluent's client for JavaScript, as its documentation uses it.
import schemaregistry from "@confluentinc/schemaregistry";

const {SchemaRegistryClient, JsonSerializer, JsonDeserializer, AvroSerializer, AvroDeserializer, SerdeType} = schemaregistry;
const registry = new SchemaRegistryClient({
  baseURLs: [process.env.URL],
  basicAuthCredentials: {credentialsSource: "USER_INFO", userInfo: `millrace:${process.env.KEY}`},
});
const event = JSON.parse(process.env.EVENT);
const latest = await registry.getLatestSchemaMetadata("order.created-value");
const byId = await registry.getBySubjectAndId("order.created-value", latest.id);
const id = await registry.getId("order.created-value", {schema: byId.schema, schemaType: "AVRO"});
const packer = new JsonSerializer(registry, SerdeType.VALUE, {useLatestVersion: true});
const packed = await packer.serialize("order.created.json", event);
const back = await new JsonDeserializer(registry, SerdeType.VALUE, {}).deserialize("order.created.json", packed);
console.log(JSON.stringify({same: id === latest.id, eventId: back.eventId}));
process.exit(0);
