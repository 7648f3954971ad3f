"""The detector on the labelled set, and on texts that are made to take it long."""

import time

import pytest

from bench import p35_personal_data as bench
from millrace.privacy import detector
from tests.support.personal_values import labelled


@pytest.fixture(scope="module")
def scores() -> dict[str, tuple[float, float]]:
    return bench.scores()


@pytest.mark.parametrize("kind", [*detector.KINDS, bench.ALL])
def test_precision_and_recall(scores: dict[str, tuple[float, float]], kind: str) -> None:
    precision, recall = scores[kind]
    assert precision >= bench.PRECISION
    assert recall >= bench.RECALL


def test_the_labelled_set_is_large_and_balanced() -> None:
    values = labelled()
    assert values == labelled(), "it is the same at each run"
    assert 0.4 <= sum(bool(one.kinds) for one in values) / len(values) <= 0.6
    for kind in detector.KINDS:
        assert sum(kind in one.kinds for one in values) >= 250


@pytest.mark.parametrize("name", ["", "phone", "nationalId"])
@pytest.mark.parametrize(
    "part",
    [
        "a@",
        "+1",
        "1 ",
        "2001:",
        "1.2.3.",
        "x@a.",
        "4111-",
        "AB12 ",
        "+1 2 3 4 5 6 7 8 9 ",
        "ssn 1 ",
        "DNI 12345678A ",
        "a@a-a.",
    ],
)
def test_no_text_takes_it_long(part: str, name: str) -> None:
    """The bound is many times what any of them takes: a text that costs its square takes minutes."""
    text = part * (64 * 1024 // len(part))
    started = time.process_time()
    detector.kinds(text, name)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("value", [None, True, 1.5, 42, "", "short", [], {}])
def test_what_holds_no_text_holds_nothing(value: object) -> None:
    assert detector.kinds(value, "phone") == frozenset()
