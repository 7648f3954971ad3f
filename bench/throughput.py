"""Events a second on one core through the handler, its stores doing nothing: 100,000 events, 100 and 500 a request."""

import time

from bench import edge, sent

EVENTS = 100_000


def measure() -> str:
    """One line for people."""
    parts = []
    for size in (100, 500):
        requests = [edge.call(sent.body(sent.copies(size, number))) for number in range(20)]
        calls = EVENTS // size
        with edge.post_events(None) as handler:
            handler(requests[0], None)
            started = time.process_time()
            for number in range(calls):
                answer = handler(requests[number % len(requests)], None)
                if answer["statusCode"] != 202:
                    raise AssertionError(answer["body"][:500])
            spent = time.process_time() - started
        parts.append(f"{EVENTS / spent:,.0f} events a CPU second ({size} a request)")
    return f"Load: {EVENTS:,} events through the handler, stores doing nothing: {', '.join(parts)}."
