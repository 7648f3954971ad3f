"""P21, second half: a decision of the policies takes at most 50 µs, and all of a caller's rights a few milliseconds a minute."""

import time
from functools import partial

from bench.figure import ROUNDS, Figure, Work
from millrace.access import policies
from millrace.access.actions import ACTIONS
from millrace.access.cedar import Question
from millrace.access.credentials import ALL_SCOPES, Principal
from tests.support.policies import in_force

DECISION_SECONDS, RIGHTS_SECONDS = 50e-6, 10e-3


def measure() -> list[Figure]:
    """CPU time of a decision, as the authorizer asks for it, and of all that it asks for; each over its goal."""
    key = Principal("org_acme", "a service", ALL_SCOPES, id="3f9a")
    caller, here = policies.entity(key), policies.tenant(key.org)
    questions = [Question(right, here, {"right": right}) for right in ACTIONS]
    decision = _seconds(partial(in_force().decide, caller, questions)) / len(questions)
    rights = _seconds(partial(policies.rights, key, policies=in_force()))
    return [
        Figure("P21", "a Cedar decision / 50 µs", decision / DECISION_SECONDS, 1.0),
        Figure("P21", "all rights of a caller / 10 ms", rights / RIGHTS_SECONDS, 1.0),
    ]


def _seconds(work: Work) -> float:
    """CPU seconds of one call: the least of the rounds, since there is no peer that other programs would slow down as well."""
    work()
    return min(_round(work) for _ in range(ROUNDS))


def _round(work: Work, calls: int = 10) -> float:
    started = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - started) / calls
