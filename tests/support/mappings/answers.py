"""What a function's answer means for the batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one invocation ended.

    ``checkpoint`` is the position in the batch of the first record that is not done: the batch's length when
    all is done. ``error`` is set when the whole invocation counts as failed.
    """

    checkpoint: int
    error: str | None = None


def read_answer(answer: object, sequence_numbers: Sequence[str], *, partial_answers: bool) -> Outcome:
    """Judge an answer.

    Source: AWS Lambda Developer Guide, "Configuring partial batch response with Kinesis Data Streams and
    Lambda" (and its DynamoDB twin), "Success and failure conditions" and the note under "Report syntax": the
    lowest sequence number is the checkpoint; an empty or null list, and an empty or null answer, is success;
    an identifier that is empty, null or under another name is a failure of the whole batch. Without
    ReportBatchItemFailures the answer is not looked at. An identifier that is not in the batch, and an answer
    that is not an object, are not described there; both count as a failure of the whole batch.
    """
    everything = len(sequence_numbers)
    try:
        # Lambda's runtime sends the answer as JSON; what has no JSON form fails the invocation.
        answer = json.loads(json.dumps(answer))
    except (TypeError, ValueError) as error:
        return Outcome(0, f"Runtime.MarshalError: {error}")
    if not partial_answers or answer is None:
        return Outcome(everything)
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else answer
    if failures is None:
        return Outcome(everything)
    if not isinstance(failures, list) or failures is answer:
        return Outcome(0, f"not an object with a list batchItemFailures: {answer!r}")
    positions = {number: place for place, number in enumerate(sequence_numbers)}
    checkpoint = everything
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not isinstance(identifier, str) or identifier not in positions:
            return Outcome(0, f"itemIdentifier is not in the batch: {failure!r}")
        checkpoint = min(checkpoint, positions[identifier])
    return Outcome(checkpoint)
