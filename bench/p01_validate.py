"""P1: validate a request of 100 events, outcomes kept apart, at half the floor's speed or better.

Ours goes from the bytes of the request to a verdict per event: parse, numbers beyond 64 bits, size, contract,
decimals, rules, times. The floor decodes the same bytes into types that ask for the same bounds, lengths and patterns.
"""

from bench import promises, sent
from bench.figure import Figure, ratio
from bench.verdicts import contracts, judged
from millrace.intake.validate import Valid


def measure() -> list[Figure]:
    """The floor's time over ours."""
    body, known = sent.body(sent.events(100)), contracts()
    held = [known.find(name) for name in {event["eventType"] for event in sent.events(100)}]
    full, bare = promises.decoder(held, full=True), promises.decoder(held, full=False)
    if not all(isinstance(verdict, Valid) for _, verdict in judged(body, known, sent.NOW)):
        raise AssertionError("the seeded events are no longer valid")

    def ours() -> object:
        return judged(body, known, sent.NOW)

    return [
        Figure(
            "P1",
            "speed of 100 verdicts / msgspec list, same bounds and patterns",
            1 / ratio(ours, lambda: full.decode(body)),
            0.5,
            at_least=True,
        ),
        Figure(
            "P1",
            "the same / msgspec list that asks for types only",
            1 / ratio(ours, lambda: bare.decode(body)),
            0.5,
            at_least=True,
            held=False,
        ),
    ]
