"""P8: the rules as data, with reasons and class, against the same rules as an inline chain of ifs with neither."""

import random

from bench.figure import Figure, ratio
from millrace.fraud import rulebook
from millrace.fraud.rules import TransactionFacts

COUNT = 1000
COUNTRIES = frozenset({"kp", "north korea", "ir", "iran", "mm", "myanmar"})


def measure() -> list[Figure]:
    """Our time over the chain's, on transactions of which some fire."""
    rng = random.Random(8)  # noqa: S311  no secret
    facts = [
        TransactionFacts(
            rng.random() < 0.02,
            rng.choice([12.5, 57.16, 5200.0]),
            rng.choice(["credit_card", "debit_card", "crypto"]),
            rng.choice(["Portugal", "France", "Iran"]),
            rng.randrange(24),
            rng.randrange(7),
            rng.randrange(1, 8),
        )
        for _ in range(COUNT)
    ]
    rules = rulebook.load().default
    if [rules.judge(one).score for one in facts] != [_chain(one) for one in facts]:
        raise AssertionError("the chain says something else than the rules")
    return [
        Figure(
            "P8",
            "fraud rules with reasons / inline ifs",
            ratio(lambda: [rules.judge(one) for one in facts], lambda: [_chain(one) for one in facts]),
            4,
        )
    ]


def _chain(facts: TransactionFacts) -> int:
    is_fraud, amount, method, country, hour, weekday, velocity = facts
    score = 0
    if is_fraud:
        score += 50
    if amount is not None and amount > 5000:
        score += 30
    if method is not None and method.lower() == "crypto":
        score += 20
    if country is not None and country.lower() in COUNTRIES:
        score += 15
    if hour is not None and (hour >= 23 or hour < 5):
        score += 10
    if weekday is not None and weekday >= 5:
        score += 5
    if velocity is not None and velocity > 5:
        score += 25
    return score
