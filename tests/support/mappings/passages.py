"""Which passage of AWS's documentation each mapping setting follows here. A template that uses another one is refused."""

_KINESIS = (
    'AWS Lambda Developer Guide, "Lambda parameters for Amazon Kinesis Data Streams event source mappings"'
)
_SQS = 'AWS Lambda Developer Guide, "Lambda parameters for Amazon SQS event source mappings"'
_NO_EFFECT = "names who reads what, or is a label: no effect on what is delivered when"

STREAM: dict[str, str] = {
    "BatchSize": f"{_KINESIS}: at most so many records, at most 10,000 (`settings.py`, `lanes.py`)",
    "BisectBatchOnFunctionError": '"Retain discarded batch records for a Kinesis Data Streams event source in Lambda": '
    "a failed batch is split in two, which uses up no attempt (`mapping.py`)",
    "DestinationConfig": 'the same page and its DynamoDB twin, "Example invocation records": key and content of the '
    "object (`destinations.py`)",
    "EventSourceArn": f"{_NO_EFFECT}; a stream's consumer (enhanced fan-out) delivers the same records in the same order",
    "FilterCriteria": '"Control which events Lambda sends to your function" and its pages for Kinesis and DynamoDB: what '
    "no filter matches counts as done (`patterns.py`)",
    "FunctionName": _NO_EFFECT,
    "FunctionResponseTypes": '"Configuring partial batch response with Kinesis Data Streams and Lambda" (`answers.py`)',
    "MaximumBatchingWindowInSeconds": '"Using Lambda to process records from Amazon Kinesis Data Streams", "Polling and '
    'batching streams" (`lanes.py`)',
    "MaximumRecordAgeInSeconds": 'AWS Lambda API Reference, "CreateEventSourceMapping": older records are discarded; -1 is '
    "no limit, 0 to 59 are refused (`mapping.py`, `settings.py`)",
    "MaximumRetryAttempts": f"{_KINESIS}: -1 is until the record expires (`mapping.py`)",
    "ParallelizationFactor": '"Using Lambda to process records from Amazon Kinesis Data Streams", "Polling and batching '
    'streams": several batches of a shard at once, in order for each partition key (`lanes.py`)',
    "StartingPosition": 'Kinesis Data Streams API Reference, "GetShardIterator": the oldest record that is kept, or after '
    "the newest (`lanes.py`)",
    "Tags": _NO_EFFECT,
}
"""Settings of a mapping from a Kinesis stream or a table's stream."""

QUEUE: dict[str, str] = {
    "BatchSize": f"{_SQS}: 10 unless given, for a standard queue at most 10,000 (`queues.py`)",
    "EventSourceArn": _NO_EFFECT,
    "FunctionName": _NO_EFFECT,
    "FunctionResponseTypes": '"Handling errors for an SQS event source in Lambda", "Implementing partial batch responses": '
    "only what the answer names is delivered again (`queues.py`)",
    "Tags": _NO_EFFECT,
}
"""Settings of a mapping from a queue."""
