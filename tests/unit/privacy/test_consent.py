"""Whether a purpose holds for a person, by what was said and when persons were asked anew."""

import pytest

from millrace.privacy.consent import Purpose, Statement, holds, lacking, said

MARKETING = Purpose("marketing", 2, "Offers.", "consent", False)
ANALYTICS = Purpose("analytics", 2, "Counts.", "legitimate_interest", True)
SERVICE = Purpose("service", 1, "Orders.", "contract", True)


def stated(granted: bool, version: int) -> Statement:
    return Statement(granted, version, "2026-11-21T06:00:00.000Z", "shop")


@pytest.mark.parametrize(
    ("purpose", "statement", "expected"),
    [
        (MARKETING, None, False),
        (MARKETING, stated(True, 2), True),
        (MARKETING, stated(True, 3), True),
        (MARKETING, stated(True, 1), False),
        (MARKETING, stated(False, 1), False),
        (ANALYTICS, None, True),
        (ANALYTICS, stated(True, 1), True),
        (ANALYTICS, stated(False, 1), False),
        (ANALYTICS, stated(False, 9), False),
        (SERVICE, stated(False, 1), True),
    ],
)
def test_whether_it_holds(purpose: Purpose, statement: Statement | None, expected: bool) -> None:
    assert holds(purpose, statement) is expected


def test_a_statement_keeps_its_form_in_the_table() -> None:
    assert said({"marketing": stated(True, 2).to_item()}, "marketing") == stated(True, 2)
    assert said({}, "marketing") is None


def test_the_rules_whose_purpose_does_not_hold() -> None:
    purposes = {one.name: one for one in (MARKETING, ANALYTICS)}
    rules = [{"purpose": "marketing", "without": "drop"}, {"purpose": "analytics", "without": "drop"}]
    assert lacking(rules, purposes, {}) == rules[:1]
    withdrawn = {"analytics": stated(False, 1).to_item(), "marketing": stated(True, 2).to_item()}
    assert lacking(rules, purposes, withdrawn) == rules[1:]
