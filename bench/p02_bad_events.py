"""P2: a request with 20 % bad events costs at most 1.25 times one without.

Held for the whole request with its stores doing nothing, where the words for each refusal and its quarantine weigh
most; with boto3 behind it, a request with bad events is the cheaper one, because their writes go together.
"""

from bench import edge, sent
from bench.figure import Figure, ratio
from bench.verdicts import contracts, judged


def measure() -> list[Figure]:
    """A request with bad events over the same request without."""
    events, known = sent.events(100), contracts()
    good, bad = sent.body(events), sent.body(sent.with_faults(events))
    with edge.post_events(None) as handler:
        calls = edge.call(good), edge.call(bad)
        whole = ratio(lambda: handler(calls[1], None), lambda: handler(calls[0], None))
    verdicts = ratio(lambda: judged(bad, known, sent.NOW), lambda: judged(good, known, sent.NOW))
    return [
        Figure("P2", "request with 20 % bad events / all good, stores do nothing", whole, 1.25),
        Figure("P2", "the same, verdicts alone", verdicts, 1.25, held=False),
    ]
