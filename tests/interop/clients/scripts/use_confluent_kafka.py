"""confluent-kafka's registry client and serializers, as their documentation uses them."""

import json
import os
from decimal import Decimal

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, record_subject_name_strategy
from confluent_kafka.schema_registry import topic_record_subject_name_strategy as topic_record
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

registry = SchemaRegistryClient(
    {"url": os.environ["URL"], "basic.auth.user.info": f"millrace:{os.environ['KEY']}"}
)
event = json.loads(os.environ["EVENT"])
found = {"subjects": len(registry.get_subjects()), "compatibility": registry.get_compatibility()}

latest = registry.get_latest_version("order.created-value")
assert registry.get_versions("order.created-value")[-1] == latest.version
assert registry.get_version("order.created-value", latest.version).schema_id == latest.schema_id
assert registry.get_schema(latest.schema_id).schema_str == latest.schema.schema_str
spaced = Schema(json.dumps(json.loads(latest.schema.schema_str), indent=2), "AVRO")
assert registry.lookup_schema("order.created-value", spaced).version == latest.version
assert registry.register_schema("order.created-value", spaced) == latest.schema_id
try:
    registry.register_schema("order.created-value", Schema('{"type": "string"}', "AVRO"))
except SchemaRegistryError as error:
    found["refused"] = [error.http_status_code, error.error_code]
try:
    registry.get_latest_version("nothing-value")
except SchemaRegistryError as error:
    found["unknown"] = [error.http_status_code, error.error_code]

# Avro's decimals are decimals in Python, too.
payload = event["data"]["payload"]
items = [{**item, "price": Decimal(str(item["price"]))} for item in payload["items"]]
exact = {**payload, "items": items, "totalAmount": Decimal(str(payload["totalAmount"]))}
exact_event = {**event, "data": {**event["data"], "payload": exact}}


def through(serializer, deserializer, topic, sent):
    context = SerializationContext(topic, MessageField.VALUE)
    packed = serializer(sent, context)
    return int.from_bytes(packed[1:5], "big"), deserializer(packed, context)


text = latest.schema.schema_str
for name, settings in (
    ("topic", {}),
    ("record", {"subject.name.strategy": record_subject_name_strategy}),
    ("topic and record", {"subject.name.strategy": topic_record, "auto.register.schemas": False}),
):
    schema_id, back = through(
        AvroSerializer(registry, text, conf=settings),
        AvroDeserializer(registry),
        "order.created",
        exact_event,
    )
    found[name] = schema_id == latest.schema_id
    found["avro"] = {name: value for name, value in back.items() if value is not None}

as_json = registry.get_latest_version("order.created-json")
assert as_json.schema.schema_type == "JSON"
text = as_json.schema.schema_str
schema_id, back = through(
    JSONSerializer(text, registry),
    JSONDeserializer(text, schema_registry_client=registry),
    "order.created.json",
    event,
)
found["json"], found["json id"] = back == event, schema_id == as_json.schema_id
print(json.dumps(found, default=str))
