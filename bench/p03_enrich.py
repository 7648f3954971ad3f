"""P3: validate, enrich and write out costs at most 1.25 times validating alone."""

from bench import sent
from bench.figure import Figure, ratio
from bench.verdicts import contracts, judged, stored
from millrace.intake.enrich import Origin


def measure() -> list[Figure]:
    """Both from the bytes of the same request."""
    body, known = sent.body(sent.events(100)), contracts()
    origin = Origin("org_acme", "shop", "bench-1", sent.NOW)
    measured = ratio(lambda: stored(body, known, origin), lambda: judged(body, known, sent.NOW))
    return [Figure("P3", "validate + enrich + bytes out / validate", measured, 1.25)]
