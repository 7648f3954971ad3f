"""Clients of Apicurio's registry, as their documentation uses them."""

import asyncio
import json
import os
from decimal import Decimal

import httpx
from apicurio_serdes import ApicurioRegistryClient, SchemaNotFoundError
from apicurio_serdes.avro import AvroDeserializer, AvroSerializer
from apicurio_serdes.serialization import MessageField, SerializationContext
from avrocurio import ApicurioClient, ApicurioConfig

url, key, event = os.environ["URL"], os.environ["KEY"], json.loads(os.environ["EVENT"])
registry = ApicurioRegistryClient(
    f"{url}/apis/registry/v3", "default", auth=httpx.BasicAuth("millrace", key), max_retries=0
)
found = {}
latest = registry.get_schema("order.created-value")
found["same"] = registry.get_schema_by_global_id(latest.global_id) == latest.schema
found["content"] = registry.get_schema_by_content_id(latest.content_id) == latest.schema
try:
    registry.get_schema("nothing-value")
except SchemaNotFoundError:
    found["unknown"] = "not found"

payload = event["data"]["payload"]
items = [{**item, "price": Decimal(str(item["price"]))} for item in payload["items"]]
exact = {**payload, "items": items, "totalAmount": Decimal(str(payload["totalAmount"]))}
context = SerializationContext("order.created", MessageField.VALUE)
serializer = AvroSerializer(registry, artifact_id="order.created-value")
packed = serializer({**event, "data": {**event["data"], "payload": exact}}, context)
found["eventId"] = AvroDeserializer(registry)(packed, context)["eventId"]


async def other():
    config = ApicurioConfig(base_url=url, auth=("millrace", key))
    async with ApicurioClient(config) as client:
        number, schema = await client.get_latest_schema("default", "order.created-value")
        return number == latest.global_id and schema == await client.get_schema_by_global_id(number)


found["avrocurio"] = asyncio.run(other())
print(json.dumps(found))
