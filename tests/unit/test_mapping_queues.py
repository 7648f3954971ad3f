"""A queue's mapping: what comes back, when, and where it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.mappings import Crash, Faults, ManualClock, Queue, QueueMapping

pytestmark = pytest.mark.unit


class Stage:
    def __init__(self, answer: Callable[[list[str], int], Any], *, count: int = 3, **settings: Any) -> None:
        self.clock = ManualClock()
        self.start = self.clock.now()
        self.queue = Queue("feeder", self.clock, max_receives=settings.pop("max_receives", None))
        for number in range(count):
            self.queue.send(f"{number}", message_id=f"m{number}")
        self.answer, self.seen, self.at = answer, list[str](), list[float]()
        self.mapping = QueueMapping(
            "receive", self.queue, self.handle, **{"partial_answers": True, **settings}
        )

    def handle(self, event: dict[str, Any], _: Any) -> Any:
        names = [record["messageId"] for record in event["Records"]]
        self.seen.append("".join(record["body"] for record in event["Records"]))
        self.at.append((self.clock.now() - self.start).total_seconds())
        return self.answer(names, len(self.seen))


def failing(*names: str) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}


def test_a_batch_that_passes_is_gone() -> None:
    stage = Stage(lambda *_: {"batchItemFailures": []}, count=23)
    stage.mapping.run_until_idle()
    assert [len(seen) for seen in stage.seen] == [10, 20, 6]  # the numbers from ten on have two digits
    assert stage.queue.messages == []


def test_only_what_the_answer_names_comes_back_when_its_time_of_hiding_ends() -> None:
    stage = Stage(lambda _, call: failing("m1") if call == 1 else None)
    stage.mapping.run_until_idle()
    assert (stage.seen, stage.at) == (["012", "1"], [0.0, 30.0])


@pytest.mark.parametrize(
    "bad", [{"batchItemFailures": [{"itemIdentifier": ""}]}, failing("other"), {"batchItemFailures": 1}]
)
def test_an_answer_that_names_nothing_of_the_batch_brings_all_back(bad: Any) -> None:
    stage = Stage(lambda _, call: bad if call == 1 else None)
    stage.mapping.run_until_idle()
    assert stage.seen == ["012", "012"]


@pytest.mark.parametrize("error", [ValueError("no"), Crash()])
def test_an_error_brings_the_whole_batch_back(error: BaseException) -> None:
    def answer(_: list[str], call: int) -> None:
        if call == 1:
            raise error

    stage = Stage(answer, partial_answers=False)
    stage.mapping.run_until_idle()
    assert stage.seen == ["012", "012"]


def test_without_partial_answers_the_answer_is_not_looked_at() -> None:
    stage = Stage(lambda *_: failing("m1"), partial_answers=False)
    stage.mapping.run_until_idle()
    assert stage.seen == ["012"]


def test_what_was_received_too_often_goes_to_the_dead_letters() -> None:
    stage = Stage(lambda *_: failing("m2"), max_receives=3)
    stage.mapping.run_until_idle()
    assert stage.seen == ["012", "2", "2"]
    assert [message.message_id for message in stage.queue.dead] == ["m2"]
    assert stage.clock.now() - stage.start == timedelta(seconds=90)


def test_a_message_may_be_delivered_again_after_it_was_done() -> None:
    stage = Stage(lambda *_: None, faults=Faults(duplicate_delivery=0.5), seed=3)
    stage.mapping.run_until_idle()
    assert len(stage.seen) > 1
    assert stage.queue.messages == []
