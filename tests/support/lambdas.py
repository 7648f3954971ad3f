"""The calls of the Lambda API that an operator's command makes, answered by the functions of a platform in process."""

import io
import json
from collections.abc import Iterator
from typing import Any

from tests.support.mappings.context import FunctionContext
from tests.support.mappings.shards import ACCOUNT, REGION
from tests.support.platform import Platform


class LambdaClient:
    """`invoke` and the list of mappings, under each function's own name.

    Source: AWS Lambda API Reference, "Invoke" (an error of the function is an answer with `FunctionError`, status
    200) and "ListEventSourceMappings" (`UUID`, `FunctionArn`).
    """

    def __init__(self, running: Platform) -> None:
        self.running = running
        self.calls: list[str] = []
        self.forgotten: set[str] = set()

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        """Calls the function and waits for its answer."""
        assert InvocationType == "RequestResponse"
        assert len(Payload) <= 6 * 1024 * 1024
        self.calls.append(FunctionName)
        try:
            answer = self.running.invoke(
                FunctionName, json.loads(Payload), FunctionContext(FunctionName, "r")
            )
        except Exception as error:  # noqa: BLE001  to the service every error is the function's
            said = {"errorMessage": str(error), "errorType": type(error).__name__}
            return {
                "StatusCode": 200,
                "FunctionError": "Unhandled",
                "Payload": io.BytesIO(json.dumps(said).encode()),
            }
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}

    def get_paginator(self, operation: str) -> "LambdaClient":
        """Of `list_event_source_mappings`, the only list there is here."""
        assert operation == "list_event_source_mappings"
        return self

    def paginate(self) -> Iterator[dict[str, Any]]:
        """The mappings of the platform's driver, one a page; those in `forgotten` are as if replaced by a deploy."""
        for name, mapping in self.running.driver.mappings.items():
            if name not in self.forgotten:
                arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
                yield {"EventSourceMappings": [{"UUID": mapping.mapping_id, "FunctionArn": arn}]}
