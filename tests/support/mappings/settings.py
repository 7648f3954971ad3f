"""The settings of an event source mapping, under AWS's own names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.support.mappings.destinations import FailureDestination
from tests.support.mappings.passages import STREAM

REPORT_BATCH_ITEM_FAILURES = "ReportBatchItemFailures"
INFINITE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSettings:
    """What ``CreateEventSourceMapping`` takes for a stream, with AWS's defaults and bounds.

    Source: AWS Lambda Developer Guide, "Lambda parameters for Amazon Kinesis Data Streams event source
    mappings" and "Lambda parameters for Amazon DynamoDB event source mappings"; AWS Lambda API Reference,
    "CreateEventSourceMapping".
    """

    starting_position: Literal["TRIM_HORIZON", "LATEST"]
    batch_size: int = 100
    maximum_batching_window_in_seconds: int = 0
    parallelization_factor: int = 1
    bisect_batch_on_function_error: bool = False
    maximum_retry_attempts: int = INFINITE
    maximum_record_age_in_seconds: int = INFINITE
    function_response_types: tuple[str, ...] = ()
    filter_criteria: tuple[Mapping[str, Any] | str, ...] = ()
    on_failure: FailureDestination | None = None

    def __post_init__(self) -> None:
        """Refuse what AWS refuses.

        Raises:
            ValueError: a setting is out of AWS's bounds.
        """
        _within("batch_size", self.batch_size, 1, 10_000)
        _within("maximum_batching_window_in_seconds", self.maximum_batching_window_in_seconds, 0, 300)
        _within("parallelization_factor", self.parallelization_factor, 1, 10)
        _within("maximum_retry_attempts", self.maximum_retry_attempts, INFINITE, 10_000)
        # "CreateEventSourceMapping", MaximumRecordAgeInSeconds: values from 0 to 59 are not allowed.
        if self.maximum_record_age_in_seconds != INFINITE:
            _within("maximum_record_age_in_seconds", self.maximum_record_age_in_seconds, 60, 604_800)
        if self.starting_position not in ("TRIM_HORIZON", "LATEST"):
            raise ValueError(f"starting_position {self.starting_position!r}")
        if set(self.function_response_types) - {REPORT_BATCH_ITEM_FAILURES}:
            raise ValueError(f"function_response_types {self.function_response_types}")

    @property
    def partial_answers(self) -> bool:
        """Whether the function's answer can name the first failed record."""
        return REPORT_BATCH_ITEM_FAILURES in self.function_response_types

    @classmethod
    def from_template(
        cls, properties: Mapping[str, Any], *, on_failure: FailureDestination | None = None
    ) -> MappingSettings:
        """Read the properties of a synthesized ``AWS::Lambda::EventSourceMapping``.

        A test can so run a handler under exactly what is deployed. The template's destination is a reference
        that only AWS resolves, so the caller gives the stand-in.

        Raises:
            ValueError: a value out of bounds, a property that has no semantics here, or an ``on_failure`` that
                does not go with the template.
        """
        if unknown := set(properties) - set(STREAM):
            raise ValueError(f"a stream's mapping does not know {sorted(unknown)}")
        if ("DestinationConfig" in properties) != (on_failure is not None):
            raise ValueError("give on_failure exactly when the template has a DestinationConfig")
        names = {
            "BatchSize": "batch_size",
            "MaximumBatchingWindowInSeconds": "maximum_batching_window_in_seconds",
            "ParallelizationFactor": "parallelization_factor",
            "BisectBatchOnFunctionError": "bisect_batch_on_function_error",
            "MaximumRetryAttempts": "maximum_retry_attempts",
            "MaximumRecordAgeInSeconds": "maximum_record_age_in_seconds",
        }
        given = {ours: properties[theirs] for theirs, ours in names.items() if theirs in properties}
        filters = properties.get("FilterCriteria", {}).get("Filters", [])
        return cls(
            starting_position=properties["StartingPosition"],
            function_response_types=tuple(properties.get("FunctionResponseTypes", ())),
            filter_criteria=tuple(one["Pattern"] for one in filters),
            on_failure=on_failure,
            **given,
        )


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} {value} is not within {low} and {high}")
