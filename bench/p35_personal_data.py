"""P35: the detector finds personal data at precision ≥ .95 and recall ≥ .90, of each kind; and what it costs an event."""

from collections import Counter
from typing import Any

from bench import sent
from bench.figure import Figure, ratio
from bench.verdicts import contracts, judged
from millrace.privacy import detector
from millrace.privacy.search import Search
from tests.support.personal_values import labelled

PRECISION, RECALL = 0.95, 0.90
ALL = "all"


def scores() -> dict[str, tuple[float, float]]:
    """Kind, and `all` → precision and recall on the labelled set."""
    counts: Counter[tuple[str, str]] = Counter()
    outcomes = {(True, True): "found", (True, False): "missed", (False, True): "wrong"}
    for one in labelled():
        found = detector.kinds(one.value, one.name)
        for kind in detector.KINDS:
            outcome = outcomes.get((kind in one.kinds, kind in found))
            if outcome is not None:
                counts[kind, outcome] += 1
                counts[ALL, outcome] += 1
    return {
        kind: (
            counts[kind, "found"] / (counts[kind, "found"] + counts[kind, "wrong"]),
            counts[kind, "found"] / (counts[kind, "found"] + counts[kind, "missed"]),
        )
        for kind in (*detector.KINDS, ALL)
    }


def measure() -> list[Figure]:
    """Both figures of each kind, and the search of an event beside its validation."""
    figures = []
    for kind, (precision, recall) in scores().items():
        figures += [
            Figure("P35", f"precision, {kind}", precision, PRECISION, at_least=True),
            Figure("P35", f"recall, {kind}", recall, RECALL, at_least=True),
        ]
    return [*figures, Figure("P35", "search of 100 events / their validation", _cost(), 1.0, held=False)]


def _cost() -> float:
    events, known = sent.events(100), contracts()
    body = sent.body(events)
    searches: list[tuple[Search, dict[str, Any]]] = [
        (Search(known.find(event["eventType"])), event) for event in events
    ]
    return ratio(
        lambda: [list(search.found(event)) for search, event in searches],
        lambda: judged(body, known, sent.NOW),
    )
