"""Calls that answer for each part of what was asked: the last part is not taken, and the answer says so.

Source: Amazon DynamoDB API Reference, "BatchWriteItem" (`UnprocessedItems`) and "BatchGetItem" (`UnprocessedKeys`);
Amazon Kinesis API Reference, "PutRecords"; Amazon EventBridge API Reference, "PutEvents". Of one part alone the answer
says that it was not taken though it was, which the caller cannot tell from the other.
"""

from typing import Any

PARTIAL = frozenset({"BatchWriteItem", "BatchGetItem", "PutRecords", "PutEvents"})


def drop_some(operation: str, params: dict[str, Any]) -> Any:
    """Takes the last part out of a request, if it is not the only one; returns it."""
    if operation in ("PutRecords", "PutEvents"):
        name = "Records" if operation == "PutRecords" else "Entries"
        parts = list(params[name])
        if len(parts) == 1:
            return None
        params[name] = parts[:-1]
        return parts[-1]
    ((table, request),) = params["RequestItems"].items()
    parts = list(request["Keys"] if operation == "BatchGetItem" else request)
    kept = parts[:-1] or parts
    left = {**request, "Keys": kept} if operation == "BatchGetItem" else kept
    params["RequestItems"] = {table: left}
    return table, parts[-1]


def report_dropped(operation: str, parsed: dict[str, Any], dropped: Any) -> None:
    """Writes into the answer what was not taken."""
    failed = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "as ordered"}
    if operation in ("PutRecords", "PutEvents"):
        name, count = (
            ("Records", "FailedRecordCount") if operation == "PutRecords" else ("Entries", "FailedEntryCount")
        )
        kept = parsed[name] if dropped is not None else parsed[name][:-1]
        parsed[name] = [*kept, failed]
        parsed[count] = 1
        return
    table, part = dropped
    if operation == "BatchGetItem":
        # What was read and is said to be unread comes again; a reader that adds both up is wrong.
        parsed["UnprocessedKeys"] = {table: {"Keys": [part], "ConsistentRead": True}}
        return
    parsed["UnprocessedItems"] = {table: [part]}
