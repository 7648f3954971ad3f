"""Every factor, both sides of every threshold, every field that may be missing."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.compiler.fraud_rules import compile_file
from millrace.fraud.rules import RuleSet, TransactionFacts, country_of, facts_of

RULES = RuleSet(compile_file(Path(__file__).parents[3] / "schemas/fraud/rules.yaml")["default"])
QUIET = TransactionFacts(False, 57.16, "credit_card", "Portugal", 12, 2, 1)


def fired(**changes: Any) -> list[tuple[str, int]]:
    return RULES.judge(QUIET._replace(**changes)).reasons


def test_version_1_is_what_the_interface_says() -> None:
    assert RULES.version == "1.0.0"
    assert RULES.factors == (
        "known_fraud",
        "high_amount",
        "crypto_payment",
        "high_risk_country",
        "late_night",
        "weekend",
        "velocity",
    )
    every = TransactionFacts(True, 5000.01, "CRYPTO", "KP", 23, 6, 6)
    verdict = RULES.judge(every)
    assert verdict.reasons == [
        ("known_fraud", 50),
        ("high_amount", 30),
        ("crypto_payment", 20),
        ("high_risk_country", 15),
        ("late_night", 10),
        ("weekend", 5),
        ("velocity", 25),
    ]
    assert (verdict.score, verdict.risk_class) == (155, "CRITICAL")
    assert RULES.judge(QUIET) == (0, "MINIMAL", [])
    assert RULES.judge(TransactionFacts()) == (0, "MINIMAL", [])


@pytest.mark.parametrize(
    ("name", "value", "fires"),
    [
        ("is_fraud", True, "known_fraud"),
        ("is_fraud", False, None),
        ("amount", 5000, None),
        ("amount", 5000.0001, "high_amount"),
        ("amount", 1e12, "high_amount"),
        ("amount", 0, None),
        ("amount", -5000.01, None),
        ("payment_method", "crypto", "crypto_payment"),
        ("payment_method", "CrYpTo", "crypto_payment"),
        ("payment_method", "cryptocurrency", None),
        ("payment_method", "barter", None),
        ("payment_method", "", None),
        ("country", "Iran", "high_risk_country"),
        ("country", "north korea", "high_risk_country"),
        ("country", "MM", "high_risk_country"),
        ("country", "South Korea", None),
        ("country", "Atlantis", None),
        *((("hour", hour, "late_night" if hour >= 23 or hour < 5 else None)) for hour in range(24)),
        *((("weekday", day, "weekend" if day >= 5 else None)) for day in range(7)),
        ("velocity", 5, None),
        ("velocity", 6, "velocity"),
        ("velocity", 200, "velocity"),
    ],
)
def test_both_sides_of_each_threshold(name: str, value: Any, fires: str | None) -> None:
    assert [factor for factor, _ in fired(**{name: value})] == ([fires] if fires else [])


@pytest.mark.parametrize("name", TransactionFacts._fields)
def test_a_missing_fact_fires_nothing_and_stops_nothing(name: str) -> None:
    every = TransactionFacts(True, 9000.0, "crypto", "IR", 2, 6, 9)
    whole, without = RULES.judge(every), RULES.judge(every._replace(**{name: None}))
    assert len(whole.reasons) - len(without.reasons) == 1
    assert without.score == sum(points for _, points in without.reasons)


@pytest.mark.parametrize(
    ("points", "risk_class"),
    [
        (0, "MINIMAL"),
        (9, "MINIMAL"),
        (10, "LOW"),
        (24, "LOW"),
        (25, "MEDIUM"),
        (49, "MEDIUM"),
        (50, "HIGH"),
        (74, "HIGH"),
        (75, "CRITICAL"),
        (76, "CRITICAL"),
    ],
)
def test_both_sides_of_each_class(points: int, risk_class: str) -> None:
    document = dict(RULES.document)
    document["factors"] = {"known_fraud": {"points": points}}
    assert RuleSet(document).judge(TransactionFacts(is_fraud=True)) == (
        points,
        risk_class,
        [("known_fraud", points)] if points else [],
    )


@pytest.mark.parametrize(
    ("location", "country"),
    [
        ("Lisbon, Portugal", "Portugal"),
        ("Washington, D.C., United States", "United States"),
        ("Pyongyang,KP", "KP"),
        ("Lisbon", None),
        ("Lisbon, ", None),
        ("", None),
        (None, None),
    ],
)
def test_the_country_stands_behind_the_last_comma(location: str | None, country: str | None) -> None:
    assert country_of(location) == country


def test_night_and_weekend_follow_the_offset_that_the_timestamp_carries() -> None:
    # 04:30 UTC on a Saturday is still Friday evening in California, and Saturday noon in Tonga is Friday 23:00 UTC.
    california = facts_of({}, datetime.fromisoformat("2026-11-20T20:30:00-08:00"), None)
    tonga = facts_of({}, datetime.fromisoformat("2026-11-21T12:00:00+13:00"), None)
    assert (california.hour, california.weekday) == (20, 4)
    assert (tonga.hour, tonga.weekday) == (12, 5)
    assert [name for name, _ in RULES.judge(tonga).reasons] == ["weekend"]


@given(
    st.builds(
        TransactionFacts,
        st.none() | st.booleans(),
        st.none() | st.floats(0, 1e12),
        st.none() | st.sampled_from(["crypto", "CRYPTO", "card", "wire"]),
        st.none() | st.sampled_from(["KP", "Iran", "MYANMAR", "France"]),
        st.none() | st.integers(0, 23),
        st.none() | st.integers(0, 6),
        st.none() | st.integers(0, 200),
    )
)
def test_the_score_is_the_sum_of_the_reasons_and_equal_to_a_chain_of_ifs(facts: TransactionFacts) -> None:
    score = 0
    score += 50 if facts.is_fraud else 0
    score += 30 if facts.amount is not None and facts.amount > 5000 else 0
    score += 20 if (facts.payment_method or "").lower() == "crypto" else 0
    score += 15 if facts.country in ("KP", "Iran", "MYANMAR") else 0
    score += 10 if facts.hour is not None and (facts.hour >= 23 or facts.hour < 5) else 0
    score += 5 if facts.weekday in (5, 6) else 0
    score += 25 if facts.velocity is not None and facts.velocity > 5 else 0
    verdict = RULES.judge(facts)
    assert verdict.score == score == sum(points for _, points in verdict.reasons)
    classes = [(75, "CRITICAL"), (50, "HIGH"), (25, "MEDIUM"), (10, "LOW"), (0, "MINIMAL")]
    assert verdict.risk_class == next(name for floor, name in classes if score >= floor)
