"""Creates a table with the keys, indexes and expiry of one of the platform's tables."""

from typing import Any

from pynamodb.attributes import TTLAttribute
from pynamodb.indexes import GlobalSecondaryIndex
from pynamodb.models import Model


def create_table(dynamodb: Any, model: type[Model], name: str, *, like: dict[str, Any] | None) -> None:
    """Creates the table and waits until it takes rows.

    Args:
        dynamodb: a low-level client.
        model: pynamodb's description of the table.
        name: of the new table.
        like: DescribeTable's answer for the original; the new one is encrypted with the same key.
    """
    encrypted = (like or {}).get("SSEDescription", {}).get("KMSMasterKeyArn")
    more: dict[str, Any] = (
        {"SSESpecification": {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": encrypted}}
        if encrypted
        else {}
    )
    dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **schema(model), **more)
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 300})
    expiry = [a.attr_name for a in model.get_attributes().values() if isinstance(a, TTLAttribute)]
    if expiry:
        ttl = {"Enabled": True, "AttributeName": expiry[0]}
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=ttl)


def schema(model: type[Model]) -> dict[str, Any]:
    """Keys, their attributes, and global indexes, as CreateTable takes them."""
    attributes = list(model.get_attributes().values())
    indexes: list[Any] = [value for value in vars(model).values() if isinstance(value, GlobalSecondaryIndex)]
    types: dict[str, str] = {}
    for keyed in (attributes, *(list(index.Meta.attributes.values()) for index in indexes)):
        types |= {a.attr_name: a.attr_type for a in keyed if a.is_hash_key or a.is_range_key}
    made: dict[str, Any] = {
        "KeySchema": _keys(attributes),
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": t} for n, t in sorted(types.items())],
    }
    if indexes:
        made["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.Meta.index_name,
                "KeySchema": _keys(list(index.Meta.attributes.values())),
                "Projection": {"ProjectionType": index.Meta.projection.projection_type},
            }
            for index in sorted(indexes, key=lambda index: str(index.Meta.index_name))
        ]
    return made


def _keys(attributes: list[Any]) -> list[dict[str, str]]:
    hashes = [{"AttributeName": a.attr_name, "KeyType": "HASH"} for a in attributes if a.is_hash_key]
    ranges = [{"AttributeName": a.attr_name, "KeyType": "RANGE"} for a in attributes if a.is_range_key]
    return hashes + ranges
