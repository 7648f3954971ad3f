"""Every mapping setting that is deployed has its semantics in the driver, so that handlers are tried under what runs."""

import json
from typing import Any

import pytest

from tests.support.mappings import FailureDestination, ManualClock, MappingSettings, Queue, QueueMapping
from tests.support.mappings.passages import QUEUE, STREAM
from tests.support.templates import Templates

MAPPING = "AWS::Lambda::EventSourceMapping"


def mappings(templates: Templates) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in templates.resources(MAPPING).values()]


def reads_a_queue(properties: dict[str, Any]) -> bool:
    return "Queue" in json.dumps(properties["EventSourceArn"])


def test_the_driver_knows_every_setting_that_is_deployed(every: Templates) -> None:
    found = mappings(every)
    assert {reads_a_queue(properties) for properties in found} == {True, False}
    for properties in found:
        known = QUEUE if reads_a_queue(properties) else STREAM
        assert set(properties) <= set(known)
        assert all(known[name] for name in properties)


def test_the_driver_takes_every_mapping_as_it_is_deployed(every: Templates) -> None:
    for properties in mappings(every):
        if reads_a_queue(properties):
            mapping = QueueMapping.from_template("f", Queue("q", ManualClock()), lambda *_: None, properties)
            # Of a batch of one there is no part to answer for.
            assert (mapping.batch_size, mapping.partial_answers) in {(10, True), (1, False)}
            continue
        destination = FailureDestination("s3") if "DestinationConfig" in properties else None
        settings = MappingSettings.from_template(properties, on_failure=destination)
        assert settings.batch_size == properties["BatchSize"]
        assert settings.maximum_record_age_in_seconds == properties["MaximumRecordAgeInSeconds"]
        assert settings.maximum_retry_attempts == properties["MaximumRetryAttempts"] == -1
        assert settings.bisect_batch_on_function_error is True
        assert len(settings.filter_criteria) == len(properties.get("FilterCriteria", {}).get("Filters", []))


def test_a_setting_without_semantics_is_refused(dev: Templates) -> None:
    stream = next(p for p in mappings(dev) if not reads_a_queue(p))
    queue = next(p for p in mappings(dev) if reads_a_queue(p))
    with pytest.raises(ValueError, match="TumblingWindowInSeconds"):
        MappingSettings.from_template(
            {**stream, "TumblingWindowInSeconds": 60}, on_failure=FailureDestination("s3")
        )
    with pytest.raises(ValueError, match="ScalingConfig"):
        QueueMapping.from_template(
            "f", Queue("q", ManualClock()), lambda *_: None, {**queue, "ScalingConfig": {}}
        )
