"""Sigma rules: what they match, the same in Python and in SQL, and what of them is refused."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from millrace.compiler.documents import yaml_file
from millrace.compiler.event_contracts import compile_document as compile_contract
from millrace.compiler.places import at_line, located
from millrace.compiler.sigma.compile import compile_document, compile_file, compile_rules, pin
from millrace.compiler.sigma.sources import FILE, Sources
from millrace.contracts import conditions
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError
from millrace.contracts.fields import fields
from millrace.sigma import gateway_lines
from millrace.sigma.gateway_lines import GATEWAY
from tests.support.contracts import SCHEMAS, compiled

ROOT = SCHEMAS.parent
FILES = sorted((SCHEMAS / "events").glob("*/*/v1.yaml"))
CONTRACTS = [compiled(path) for path in FILES]
BY_NAME = {one.name: one for one in CONTRACTS}
SOURCES = Sources(yaml_file(SCHEMAS / FILE, FILE), CONTRACTS)
SIGMA = compile_rules(SCHEMAS, CONTRACTS)
RULES = {one["name"]: one for one in SIGMA["rules"]}
PATTERNS = {one["name"]: one for one in SIGMA["patterns"]}
HEAD = """title: A rule
id: 6f2f0f5e-7a0e-4a4e-9f57-0a4f0b5c9d11
logsource: {product: millrace, service: transaction.created}
level: high
"""


AUDIT = """title: A rule
id: 6f2f0f5e-7a0e-4a4e-9f57-0a4f0b5c9d11
logsource: {product: millrace, service: audit%s}
detection: {selection: {%s}, condition: selection}
"""


@pytest.mark.parametrize(
    ("source", "selection", "sentence"),
    [
        (", category: user-events", "action: keys.create", "lines of the audit are of no category"),
        ("", "action: keys.made", "never keys.made"),
        ("", "detail.reason: x", "no event of audit.line.v1 has a field detail.reason"),
        ("", "detail.denials|contains: x", "detail_denials is a long, and"),
    ],
)
def test_what_a_rule_about_the_audit_cannot_ask(source: str, selection: str, sentence: str) -> None:
    document = yaml.safe_load(AUDIT % (source, selection))
    with pytest.raises(ContractError) as caught:
        compile_document(document, "sigma/rule.yml", SOURCES)
    assert sentence in str(caught.value)


def test_the_audit_and_events_are_not_joined(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="are in different places, and are not joined"):
        compile_file(_joined(tmp_path), SCHEMAS, CONTRACTS)


def _joined(folder: Path) -> Path:
    path = folder / "joined.yml"
    path.write_text(
        "title: Both\nid: 0d1c9c1e-54d2-4dbb-9b8b-5f6b1d9f2f10\ncorrelation:\n  type: temporal\n"
        "  rules: [key_made, payout_of_some_value]\n  group-by: [userId]\n  timespan: 1h\nlevel: low\n"
    )
    return path


def rule(tmp_path: Path, text: str, contracts: list[Contract] = CONTRACTS) -> dict[str, Any]:
    """A rule of this text, compiled; a text that begins with `detection` gets a head about transactions."""
    folder = tmp_path / "schemas/sigma"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fields.yaml").write_text((SCHEMAS / "sigma/fields.yaml").read_text())
    (folder / "rule.yml").write_text(HEAD + text if text.startswith("detection") else text)
    (one,) = compile_rules(tmp_path / "schemas", contracts, pinned=False)["rules"]
    return one


def matches(one: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether a rule matches an event of its first version."""
    name = f"{event['eventType']}.v1"
    return name in one["where"] and conditions.holds(one["where"][name], fields(BY_NAME[name]))(event)


def event(event_type: str, at: str = "2026-11-30T12:00:00Z", **payload: Any) -> dict[str, Any]:
    """An event with this payload; `metadata_x` is `x` of its metadata."""
    metadata = {key.removeprefix("metadata_"): payload.pop(key) for key in [*payload] if "metadata_" in key}
    return {
        **{"eventId": "1", "eventType": event_type, "eventSource": "shop", "timestamp": at},
        "data": {"payload": payload, "metadata": metadata},
    }


# Rule → events that it matches, and events that it does not.
SAMPLES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "champion_moved_at_night": (
        [
            event("ml.model.moved", "2026-11-30T19:00:00Z", alias="champion", reason="promote"),
            event("ml.model.moved", "2026-11-30T08:59:59+02:00", alias="champion", reason="rollback"),
        ],
        [
            event("ml.model.moved", "2026-11-30T18:59:59Z", alias="champion", reason="promote"),
            event("ml.model.moved", "2026-11-30T03:00:00Z", alias="champion", reason="deploy"),
        ],
    ),
    "champion_forced": ([event("ml.model.moved", forced=True)], [event("ml.model.moved", forced=False)]),
    "quality_check_blocked_a_day": (
        [event("quality.check.failed", severity="blocking", table="silver.order_created_v1")],
        [
            event("quality.check.failed", severity="warning", table="silver.order_created_v1"),
            event("quality.check.failed", severity="blocking", table="ml_features.users"),
        ],
    ),
    "payout_large": (
        [event("payout.requested", amount=10_000), event("payout.requested", amount=10_000.5)],
        [event("payout.requested", amount=9_999.9999), event("payout.requested")],
    ),
    "payout_hard_to_recall": (
        [event("payout.requested", amount=1_000, method="CryptoWallet")],
        [
            event("payout.requested", amount=999.99, method="crypto"),
            event("payout.requested", amount=5_000, method="sepa_credit"),
        ],
    ),
    "asset_reported_as_malware": (
        [event("report.flagged", targetType="asset", reason="malware")],
        [
            event("report.flagged", targetType="review", reason="malware"),
            event("report.flagged", reason="malware"),
        ],
    ),
    "review_with_link": (
        [
            event("review.submitted", text="Cheaper at\nHTTPS://spam.example"),
            event("review.submitted", text="www.a.b"),
        ],
        [
            event("review.submitted", text="See https://a.example", verifiedPurchase=True),
            event("review.submitted", text="Lovely"),
            event("review.submitted"),
        ],
    ),
    "registration_by_script": (
        [
            event("user.registered", metadata_userAgent="python-requests/2.32"),
            event("user.registered", metadata_userAgent="Mozilla/5.0 headlesschrome/130"),
        ],
        [event("user.registered", metadata_userAgent="Mozilla/5.0 curl/8"), event("user.registered")],
    ),
    "service_down": (
        [
            event("system.health.check", status="DOWN"),
            event("system.health.check", status="degraded", errorCount=100),
        ],
        [
            event("system.health.check", status="degraded", errorCount=99),
            event("system.health.check", status="up"),
        ],
    ),
    "transaction_without_origin": (
        [
            event("transaction.created", amount=5_000),
            event("transaction.created", amount=6_000, device_id=""),
        ],
        [
            event("transaction.created", amount=5_000, device_id="d", location="Paris, FR"),
            event("transaction.created", amount=4_999),
        ],
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_our_rules_match_what_they_are_for(name: str) -> None:
    positive, negative = SAMPLES[name]
    assert [one for one in positive if not matches(RULES[name], one)] == []
    assert [one for one in negative if matches(RULES[name], one)] == []


def test_a_rule_says_who_it_is() -> None:
    one = RULES["payout_large"]
    assert (one["title"], one["level"]) == ("A payout of 10,000 or more", "medium")
    assert len({rule["id"] for rule in RULES.values()}) == len(RULES) >= 10


def test_our_correlations_are_patterns() -> None:
    said = {
        name: (one["kind"], one["by"], one["name_of_key"], one["within_seconds"], one["severity"])
        for name, one in PATTERNS.items()
    }
    assert said == {
        "account_taken_over": ("sequence", "user", "user", 3600, "critical"),
        "device_fails_for_many_users": ("count", "field", "device_id", 3600, "warning"),
        "high_value_burst_of_device": ("count", "field", "device_id", 600, "warning"),
        "mass_review_reports": ("count", "user", "user", 3600, "warning"),
    }
    assert [step["events"] for step in PATTERNS["account_taken_over"]["steps"]] == [
        ["user.profile_updated"],
        ["payout.requested"],
    ]
    (step,) = PATTERNS["high_value_burst_of_device"]["steps"]
    assert (step["count"], step["where"]) == (5, [{"field": "amount", "atLeast": 1000}])
    (step,) = PATTERNS["device_fails_for_many_users"]["steps"]
    assert (step["count"], step["distinct"], step["kept"]) == (5, "user_key", ["user_key"])
    # What a correlation refers to raises no alerts of its own.
    assert not {"review_reported", "payout_of_some_value"} & RULES.keys()


CORRELATION = """title: Together
id: 0d1c9c1e-54d2-4dbb-9b8b-5f6b1d9f2f10
correlation:
  type: event_count
  rules: [rule]
  group-by: [userId]
  timespan: 10m
  condition: {gte: 5}
level: low
"""
UNCORRELATED = [
    (
        "event_count",
        "value_sum",
        " /correlation/type: value_sum makes a number of values, which is the work of an",
    ),
    ("event_count", "value_count", " /correlation: amount is a decimal in transaction.created/"),
    ("[rule]", "[rul]", " /correlation/rules/0: there is no rule rul; did you mean rule?"),
    (
        "[userId]",
        "[userId, device_id]",
        " /correlation/group-by: a pattern joins events by one field, such as userId",
    ),
    ("[userId]", "[usrId]", " /correlation/group-by: no event of transaction.created.v1 has a field usrId"),
    ("[userId]", "[amount]", " /correlation: amount is a decimal in transaction.created/"),
    ("10m", "90s", " /correlation/timespan: a span is of whole minutes"),
    ("10m", "30d", " /correlation: it has to be at least 1m and at most 7d, not 43200m"),
    ("gte: 5", "lt: 5", " /correlation/condition: a count tells when there are so many, with gte or gt"),
    ("gte: 5", "gte: 500", " /correlation: it has to be at most 100, not 500"),
]


@pytest.mark.parametrize(("before", "after", "said"), UNCORRELATED)
def test_what_is_no_pattern_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    folder = tmp_path / "schemas/sigma"
    base = f"{HEAD}detection:\n  s: {{amount: 1}}\n  condition: s\n"
    rule(tmp_path, base)
    (folder / "together.yml").write_text(CORRELATION)
    compiled_both = compile_rules(tmp_path / "schemas", CONTRACTS, pinned=False)
    assert [one["name"] for one in compiled_both["patterns"]] == ["together"]
    assert compiled_both["rules"] == []
    text = CORRELATION.replace(before, after)
    if "value" in after:
        text = text.replace("{gte: 5}", "{gte: 5, field: amount}")
    (folder / "together.yml").write_text(text)
    with pytest.raises(ContractError) as caught:
        compile_rules(tmp_path / "schemas", CONTRACTS, pinned=False)
    lines = located(caught.value, tmp_path)
    assert any(re.match(r"schemas/sigma/together.yml:\d+", one) and said in one for one in lines), lines


def test_another_meaning_needs_another_version(tmp_path: Path) -> None:
    """Of a rule, of a correlation, and of a correlation whose rule matches something else."""
    schemas, folder = tmp_path / "schemas", tmp_path / "schemas/sigma"
    base = f"{HEAD}detection:\n  s: {{amount: 1}}\n  condition: s\n"
    rule(tmp_path, base)
    (folder / "together.yml").write_text(CORRELATION)

    def refused(name: str, text: str) -> list[str]:
        (folder / name).write_text(text)
        with pytest.raises(ContractError) as caught:
            compile_rules(schemas, CONTRACTS)
        return located(caught.value, tmp_path)

    (line, _) = refused("rule.yml", base)
    assert line.endswith("rule@1.0.0 is not pinned: run millrace contracts build")
    assert pin(schemas, CONTRACTS) == ["rule@1.0.0", "together@1.0.0"]
    (folder / "rule.yml").write_text(base.replace("A rule", "Words for people"))
    compile_rules(schemas, CONTRACTS)
    lines = refused("rule.yml", base.replace("amount: 1", "amount: 2"))
    changed = "the definition has changed since {}@1.0.0 was pinned; give it a new version"
    assert [line.partition("/version: ")[2] for line in lines] == [
        changed.format(one) for one in ("rule", "together")
    ]
    for name in ("rule.yml", "together.yml"):
        (folder / name).write_text(f"version: 1.1.0\n{(folder / name).read_text()}")
    assert pin(schemas, CONTRACTS) == ["rule@1.1.0", "together@1.1.0"]
    (pattern,) = compile_rules(schemas, CONTRACTS)["patterns"]
    assert pattern["version"] == "1.1.0"
    assert any("a version is major.minor.patch" in one for one in refused("rule.yml", f"version: 2\n{base}"))


MATCHING: list[tuple[str, dict[str, Any], bool]] = [
    # Detection, payload of a transaction, verdict.
    ("s: {merchant: 'Shop*'}\n  condition: s", {"merchant": "shop 1"}, True),
    ("s: {merchant|cased: 'Shop*'}\n  condition: s", {"merchant": "shop 1"}, False),
    ("s: {merchant|cased|startswith: Shop}\n  condition: s", {"merchant": "Shop"}, True),
    (r"s: {merchant: '50\*'}" + "\n  condition: s", {"merchant": "50 and more"}, False),
    ("s: {merchant|contains|all: [a, b]}\n  condition: s", {"merchant": "xbya"}, True),
    ("s: {merchant|contains|all: [a, b]}\n  condition: s", {"merchant": "xa"}, False),
    ("s: {merchant|endswith: [.io, .ai]}\n  condition: s", {"merchant": "x.AI"}, True),
    ("s: {merchant|re: '^[A-Z]{3}$'}\n  condition: s", {"merchant": "ABC"}, True),
    ("s: {merchant|re: '^[A-Z]{3}$'}\n  condition: s", {"merchant": "ABC\n"}, False),
    ("s: {merchant|cidr: 10.4.0.0/14}\n  condition: s", {"merchant": "10.7.255.1"}, True),
    ("s: {merchant|cidr: 10.4.0.0/14}\n  condition: s", {"merchant": "10.8.0.1"}, False),
    ("s: {merchant: null}\n  condition: s", {}, True),
    ("s: {merchant|exists: true}\n  condition: s", {}, False),
    ("s: {merchant|neq: a}\n  condition: s", {}, True),
    ("s: {merchant: 404}\n  condition: s", {"merchant": "404"}, True),
    ("s: {amount: 12.5}\n  condition: s", {"amount": 12.5}, True),
    ("s: {amount: [1, 2]}\n  condition: s", {"amount": 2.0}, True),
    ("s: {amount|gt: 2, amount|lte: 3}\n  condition: s", {"amount": 3}, True),
    ("s: {is_fraud: false}\n  condition: not s", {"is_fraud": True}, True),
    ("a1: {amount: 1}\n  a2: {amount: 2}\n  condition: 1 of a*", {"amount": 2}, True),
    ("a1: {amount: 1}\n  a2: {merchant: x}\n  condition: all of them", {"amount": 1}, False),
    ("s: [{amount: 1}, {merchant: x}]\n  condition: s", {"merchant": "X"}, True),
    ("s: {merchant|base64: ab}\n  condition: s", {"merchant": "YWI="}, True),
    ("s: {timestamp|hour: [11, 12]}\n  condition: s", {}, True),
    ("s: {userId: null}\n  condition: s", {}, True),
    ("s: {payload.timestamp|hour|gte: 13}\n  condition: s", {"timestamp": "2026-11-30T13:30:00Z"}, True),
]


@pytest.mark.parametrize(("detection", "payload", "verdict"), MATCHING)
def test_what_sigma_means(tmp_path: Path, detection: str, payload: dict[str, Any], verdict: bool) -> None:
    one = rule(tmp_path, f"detection:\n  {detection}\n")
    assert matches(one, event("transaction.created", **payload)) is verdict


REFUSED: list[tuple[str, str]] = [
    # The whole of a detection, and what is said of it, with its line.
    (
        "s: {merchnt: a}\n  condition: s",
        ":6 /detection/s/merchnt: no event of transaction.created.v1 has a field merchnt; did you mean merchant?",
    ),
    ("s: {amount: much}\n  condition: s", ":6 /detection/s/amount: amount is a decimal, and 'much' is none"),
    (
        "s: {amount|contains: 1}\n  condition: s",
        ":5 /detection: Modifier SigmaContainsModifier incompatible to value type of '1'",
    ),
    (
        "s: {merchant|gt: 1}\n  condition: s",
        ":6 /detection/s/merchant|gt: merchant is a string, and gt compares numbers",
    ),
    (
        "s: {merchant|fieldref: location}\n  condition: s",
        ":6 /detection/s/merchant|fieldref: a condition compares a field with a constant, not with another field (fieldref)",
    ),
    (
        r"s: {merchant|re: '\d+'}" + "\n  condition: s",
        r":6 /detection/s/merchant|re: engines read '\\d+' in its pattern differently: write [0-9]; see docs/api.md, Patterns",
    ),
    (
        "s: {merchant|re|i: 'a+'}\n  condition: s",
        ":6 /detection/s/merchant|re|i: flags of regular expressions: engines fold letters differently; write both, such as [Aa]",
    ),
    (
        "s: {merchant|cidr: 'fd00::/8'}\n  condition: s",
        ":6 /detection/s/merchant|cidr: a network is of IPv4: an address of IPv6 has several texts",
    ),
    (
        "s: {merchant|expand: '%list%'}\n  condition: s",
        ":6 /detection/s/merchant|expand: a placeholder stands for a list that is kept elsewhere (expand)",
    ),
    (
        "s: {timestamp|week: 3}\n  condition: s",
        ":6 /detection/s/timestamp|week: of a moment only the hour can be asked, as a whole number from 0 to 23, UTC",
    ),
    (
        "s: [a word]\n  condition: s",
        ":7 /detection/condition: a word stands without a field, and no index of ours has all texts of an event",
    ),
    (
        "s: {merchant: a}\n  condition: s | count() > 3",
        ":7 /detection/condition: The pipe syntax in Sigma conditions has been deprecated",
    ),
    ("s: {merchant: a}\n  condition: t", ":7 /detection/condition: Detection 't' not defined in detections"),
]


@pytest.mark.parametrize(("detection", "said"), REFUSED)
def test_what_cannot_be_compiled_is_refused(tmp_path: Path, detection: str, said: str) -> None:
    with pytest.raises(ContractError) as caught:
        rule(tmp_path, f"detection:\n  {detection}\n")
    lines = located(caught.value, tmp_path)
    assert any(line.startswith(f"schemas/sigma/rule.yml{said}") for line in lines), lines


def test_a_rule_without_its_parts_is_refused(tmp_path: Path) -> None:
    changes = [
        (
            "id: 6f2f0f5e-7a0e-4a4e-9f57-0a4f0b5c9d11\n",
            "",
            ": a rule needs an id: its alerts are known by it",
        ),
        ("high", "urgent", " /level: 'urgent' is not a valid Sigma rule level"),
        (
            "n.created}",
            "n.create}",
            " /logsource: there is no event type transaction.create; did you mean transaction.created?",
        ),
        (
            "product: millrace",
            "product: windows",
            " /logsource: there are no events for this log source: a rule of ours has ",
        ),
        (
            "service: transaction.created",
            "category: ml",
            " /logsource: no such events are of a category ml; there are user-events",
        ),
        (
            "service: transaction.created",
            "service: rule.evaluated",
            " /logsource: rule.evaluated has `store: none`",
        ),
        (
            ", service: transaction.created",
            "",
            " /logsource: an event type as the service, or a category of events, says",
        ),
        ("{product: millrace, service: transaction.created}", "[1]", ""),
        ("  s: {amount: 1}", "  s: {amount: {a: 1}}", ""),
        ("  condition: s\n", "", " /detection"),
        ("high\n", "high\n---\ntitle: Another\n", ": "),
    ]
    text = f"{HEAD}detection:\n  s: {{amount: 1}}\n  condition: s\n"
    assert rule(tmp_path, text)["where"]
    for before, after, said in changes:
        assert before in text
        with pytest.raises(ContractError) as caught:
            rule(tmp_path, text.replace(before, after))
        lines = located(caught.value, tmp_path)
        assert any(re.match(r"schemas/sigma/rule.yml:\d+", one) and said in one for one in lines), lines


def test_two_rules_of_one_id_are_refused(tmp_path: Path) -> None:
    text = f"{HEAD}detection:\n  s: {{amount: 1}}\n  condition: s\n"
    rule(tmp_path, text)
    (tmp_path / "schemas/sigma/zone.yml").write_text(text)
    with pytest.raises(ContractError, match="rule has this id"):
        compile_rules(tmp_path / "schemas", CONTRACTS, pinned=False)


def test_a_value_that_the_contract_does_not_have_is_refused(tmp_path: Path) -> None:
    text = HEAD.replace("transaction.created", "report.flagged")
    with pytest.raises(ContractError, match="never malvare; did you mean malware"):
        rule(tmp_path, f"{text}detection:\n  s: {{reason: malvare}}\n  condition: s\n")


@pytest.mark.parametrize(
    ("detection", "said"),
    [
        ("s: {amount|gt: 10, amount|lt: 5}", "the conditions on amount exclude each other"),
        ("s: {amount|lt: -1}", "amount is at least"),
        ("s: {eventType: order.created}", "event_type is transaction.created"),
        ("s: {transaction_id: null}", "transaction_id is always there"),
    ],
)
def test_what_can_never_match_is_refused(tmp_path: Path, detection: str, said: str) -> None:
    with pytest.raises(ContractError) as caught:
        rule(tmp_path, f"detection:\n  {detection}\n  condition: s\n")
    (line,) = located(caught.value, tmp_path)
    assert line.startswith("schemas/sigma/rule.yml:7 /detection/condition: no event can match it: ")
    assert said in line


def test_a_rule_that_only_older_events_match_is_refused(tmp_path: Path) -> None:
    old = BY_NAME["transaction.created.v1"]
    text = yaml.safe_load((SCHEMAS / "events/payments/transaction.created/v1.yaml").read_text())
    text |= {"id": "transaction.created.v2", "version": "2.0.0"}
    payload = text["schema"][0]["properties"][0]["properties"]
    next(one for one in payload if one["name"] == "device_id")["name"] = "device"
    new = compile_contract(text, "v2.yaml")
    both = [*CONTRACTS, new]
    with pytest.raises(
        ContractError, match=r"none of transaction\.created\.v2, which has no device_id: name what"
    ):
        rule(tmp_path, "detection:\n  s: {device_id: a}\n  condition: s\n", both)
    one = rule(tmp_path, "detection:\n  s: {device_id: a}\n  t: {device: a}\n  condition: 1 of them\n", both)
    assert {*one["where"]} == {old.name, new.name}


def test_a_field_of_some_types_is_absent_in_the_others(tmp_path: Path) -> None:
    text = HEAD.replace("service: transaction.created", "category: user-events")
    present = rule(tmp_path, f"{text}detection:\n  s: {{productId: a}}\n  condition: s\n")
    assert set(present["where"]) == {"cart.item_added.v1", "product.viewed.v1"}
    absent = rule(tmp_path, f"{text}detection:\n  s: {{productId: null, sessionId: u}}\n  condition: s\n")
    assert absent["where"]["page.viewed.v1"] == [{"field": "session_id", "like": "u"}]


def test_rules_for_proxies_ask_pages(tmp_path: Path) -> None:
    """A rule of SigmaHQ for web servers, shortened, with the log source of pages."""
    one = rule(
        tmp_path,
        """title: SQL Injection Strings In URI
id: 5513deaf-f49a-46c2-a6c8-3f111b5cb453
logsource: {category: proxy}
detection:
    selection:
        cs-uri-query|contains: ['union select', '=select ']
    filter_main_client:
        cs-user-agent|startswith: 'scanner of our own'
    condition: selection and not 1 of filter_main_*
level: high
""",
    )
    assert matches(one, event("page.viewed", search="?q=1 UNION SELECT *"))
    ours = {"userAgent": "Scanner of our own 1"}
    assert not matches(one, event("page.viewed", search="?q=1 union select", metadata_context=ours))


WEB_SERVER = """title: A rule
id: 6f2f0f5e-7a0e-4a4e-9f57-0a4f0b5c9d11
logsource: {%s}
level: high
detection:
    selection:
        %s
    condition: selection
"""


@pytest.mark.parametrize(
    "source",
    [
        "category: webserver",
        "category: webserver, product: apache",
        "product: millrace, service: gateway",
        "product: millrace, service: gateway, category: webserver",
    ],
)
def test_rules_for_web_servers_ask_the_gateway_s_access_log(source: str) -> None:
    """As SigmaHQ has it: web_susp_useragents, with its own names of fields."""
    text = WEB_SERVER % (source, "cs-user-agent|contains: ['Wfuzz/', 'WPScan v']\n        sc-status|gte: 400")
    one = compile_document(yaml.safe_load(text), "sigma/rule.yml", SOURCES)
    (where,) = one["where"].items()
    assert where[0] == "gateway.line.v1"
    holds = conditions.holds(where[1], fields(GATEWAY.contract))
    line = {"status": "404", "agent": "wfuzz/3.1", "route": "-"}
    asked = [line, {**line, "status": "202"}, {**line, "agent": "-"}]
    moment = datetime(2026, 11, 30, 12, tzinfo=UTC)
    events = [gateway_lines.event(one, moment, "x") for one in asked]
    assert [holds(one.envelope) for one in events if one is not None] == [True, False, False]


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ("c-ip: 192.0.2.7", "c-ip is not kept: the client's address is personal data; ask who called"),
        (
            "c-uri|contains: /etc/passwd",
            "c-uri is not kept: paths hold ids of people; ask the route's template",
        ),
        ("cs-uri-query|contains: select", "cs-uri-query is not kept: queries hold ids of people; ask route"),
        ("cs-referer|contains: jndi", "cs-referer is not kept: no header is kept but the program's name"),
        ("cs-colour: red", "no event of gateway.line.v1 has a field cs-colour"),
    ],
)
def test_what_the_access_log_does_not_keep_is_refused_with_its_line_and_a_remedy(
    tmp_path: Path, asked: str, remedy: str
) -> None:
    file = tmp_path / "rule.yml"
    text = WEB_SERVER % ("category: webserver", asked)
    file.write_text(text)
    with pytest.raises(ContractError) as caught:
        compile_file(file, SCHEMAS, CONTRACTS)
    (problem,) = caught.value.problems
    assert remedy in str(problem)
    line = text.splitlines().index(f"        {asked}") + 1
    assert f"rule.yml:{line} " in at_line(problem, file)


def test_lines_of_logs_and_events_are_not_joined_and_not_over_days(tmp_path: Path) -> None:
    text = (
        "title: Both\nid: 0d1c9c1e-54d2-4dbb-9b8b-5f6b1d9f2f10\ncorrelation:\n  type: temporal\n"
        "  rules: [key_made, call_denied]\n  group-by: [orgId]\n  timespan: 1h\nlevel: low\n"
    )
    path = tmp_path / "joined.yml"
    path.write_text(text)
    with pytest.raises(
        ContractError, match="lines of the access log and lines of the audit are in different"
    ):
        compile_file(path, SCHEMAS, CONTRACTS)
    path.write_text(text.replace("key_made, call_denied", "call_failed, call_denied").replace("1h", "7h"))
    with pytest.raises(ContractError, match="lines of this log are joined within 6 hours at most"):
        compile_file(path, SCHEMAS, CONTRACTS)
    path.write_text(text.replace("key_made, call_denied", "call_failed, call_denied").replace("1h", "6h"))
    assert compile_file(path, SCHEMAS, CONTRACTS)["within_seconds"] == 6 * 3600


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"lines": "gatway"}, "there is no log gatway; did you mean gateway?"),
        ({"lines": "gateway", "types": ["page.viewed"]}, "about types of events, or about lines of a log"),
        ({}, "about types of events, or about lines of a log"),
        ({"lines": "gateway", "fields": {"c-ip": "address"}}, "none of its types has address"),
        ({"lines": "gateway", "notKept": {"status": "x"}}, "status is kept"),
    ],
)
def test_a_log_source_of_lines_names_a_log_and_what_it_has(source: dict[str, Any], sentence: str) -> None:
    document = {"fields": {}, "sources": [{"logsource": {"category": "webserver"}, **source}]}
    with pytest.raises(ContractError) as caught:
        Sources(document, CONTRACTS)
    assert sentence in str(caught.value)


TEXTS = st.text(st.sampled_from("aB%_*?\\\n-"), max_size=5)
PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "merchant": TEXTS,
        "location": TEXTS,
        "amount": st.integers(-3, 30).map(lambda units: units / 10),
        "is_fraud": st.booleans(),
    },
)
COLUMNS = {"merchant": "VARCHAR", "location": "VARCHAR", "amount": "DECIMAL(18,4)", "is_fraud": "BOOLEAN"}
OPERATORS: dict[str, Any] = {
    "gt": lambda one, other: one > other,
    "gte": lambda one, other: one >= other,
    "lt": lambda one, other: one < other,
    "lte": lambda one, other: one <= other,
}


def _items() -> st.SearchStrategy[tuple[str, Any]]:
    of_texts = st.tuples(
        st.sampled_from(("merchant", "location")),
        st.sampled_from(("", "|cased")),
        st.sampled_from(("", "|contains", "|startswith", "|endswith")),
        st.sampled_from(("", "|all")),
        st.lists(TEXTS, min_size=1, max_size=2),
    ).map(lambda parts: ("".join(parts[:4]), parts[4]))
    numbers = st.integers(-3, 30).map(lambda units: units / 10)
    of_numbers = st.tuples(st.sampled_from(("", *(f"|{one}" for one in OPERATORS))), numbers)
    return st.one_of(
        of_texts,
        of_numbers.map(lambda parts: (f"amount{parts[0]}", parts[1])),
        st.tuples(st.just("is_fraud"), st.booleans()),
        st.tuples(st.sampled_from(("merchant", "amount")), st.none()),
        st.tuples(st.sampled_from(("location|exists", "amount|exists")), st.booleans()),
    )


MAPS = st.lists(_items(), min_size=1, max_size=2).map(dict)
SELECTIONS = MAPS | st.lists(MAPS, min_size=1, max_size=2)
CONDITIONS = (
    "sel_a",
    "not sel_a",
    "sel_a and sel_b",
    "sel_a or not sel_b",
    "1 of sel_*",
    "all of sel_*",
    "not 1 of them",
)
CONNECTION = duckdb.connect(config={"threads": 1})


def _means(detection: Mapping[str, Any], payload: Mapping[str, Any]) -> bool:
    """What Sigma's specification says, read as simply as can be."""
    a, b = (_meets(detection[name], payload) for name in ("sel_a", "sel_b"))
    return {
        **{"sel_a": a, "not sel_a": not a, "sel_a and sel_b": a and b, "sel_a or not sel_b": a or not b},
        **{"1 of sel_*": a or b, "all of sel_*": a and b, "not 1 of them": not (a or b)},
    }[detection["condition"]]


def _meets(selection: Any, payload: Mapping[str, Any]) -> bool:
    if isinstance(selection, list):
        return any(_meets(one, payload) for one in selection)
    return all(_item(key, wanted, payload) for key, wanted in selection.items())


def _item(key: str, wanted: Any, payload: Mapping[str, Any]) -> bool:
    name, *modifiers = key.split("|")
    value = payload.get(name)
    if wanted is None or modifiers == ["exists"]:
        return (value is not None) is bool(wanted)
    if value is None:
        return False
    if not isinstance(value, str):
        return bool(OPERATORS[modifiers[0]](value, wanted) if modifiers else value == wanted)
    before = "(?s:.*)" if {"contains", "endswith"} & {*modifiers} else ""
    after = "(?s:.*)" if {"contains", "startswith"} & {*modifiers} else ""
    flags = 0 if "cased" in modifiers else re.IGNORECASE
    found = [re.fullmatch(before + _wildcards(one) + after, value, flags) is not None for one in wanted]
    return all(found) if "all" in modifiers else any(found)


def _wildcards(text: str) -> str:
    return re.sub(
        r"\\([*?\\])|([*?])|(.)",
        lambda match: (
            re.escape(match[1])
            if match[1]
            else {"*": "(?s:.*)", "?": "(?s:.)"}.get(match[2]) or re.escape(match[3])
        ),
        text,
        flags=re.DOTALL,
    )


@given(SELECTIONS, SELECTIONS, st.sampled_from(CONDITIONS), PAYLOADS)
def test_stream_and_lake_agree_with_sigma(a: Any, b: Any, condition: str, payload: dict[str, Any]) -> None:
    detection = {"sel_a": a, "sel_b": b, "condition": condition}
    document = {**yaml.safe_load(HEAD), "detection": detection}
    refused = ""
    try:
        (where,) = compile_document(document, "sigma/rule.yml", SOURCES)["where"].values()
    except ContractError as error:
        refused = str(error)
    if refused:
        # Of a payload that the contract refuses it may hold all the same.
        assert "no event can match it: " in refused
        assert not ("exclude each other" in refused and _means(detection, payload))
        return
    columns = fields(BY_NAME["transaction.created.v1"])
    row = ", ".join(f'CAST(? AS {kind}) AS "{name}"' for name, kind in COLUMNS.items())
    values = [payload.get(name) for name in COLUMNS]
    texts = [repr(one) if isinstance(one, float) else one for one in values]
    (in_lake,) = (
        CONNECTION.execute(f"SELECT {conditions.sql(where, columns)} FROM (SELECT {row})", texts).fetchone()
        or ()
    )
    in_stream = conditions.holds(where, columns)(event("transaction.created", **payload))
    assert (in_stream, in_lake) == (_means(detection, payload),) * 2


def test_of_what_is_protected_only_presence_can_be_asked(tmp_path: Path) -> None:
    about = """title: A rule
id: 6f2f0f5e-7a0e-4a4e-9f57-0a4f0b5c9d11
logsource: {category: proxy}
level: high
detection:
  s: {%s}
  condition: s
"""
    for asked in ("c-ip: 192.0.2.7", "c-ip|startswith: '192.0.2.'", "c-ip|cidr: 192.0.2.0/24"):
        with pytest.raises(ContractError, match="says only whether it was there"):
            rule(tmp_path, about % asked)
    assert rule(tmp_path, about % "c-ip|exists: true")["where"]["page.viewed.v1"]


def test_of_users_only_presence_can_be_asked(tmp_path: Path) -> None:
    """Their numbers are drawn when they are first met: no rule can know one."""
    about = """title: A rule
id: 6f2f0f5e-7a0e-4a4e-9f57-0a4f0b5c9d11
logsource: {product: millrace, service: order.created}
level: high
detection:
  s: {%s}
  condition: s
"""
    for asked in ("userId: usr_1", "userId|startswith: usr_"):
        with pytest.raises(ContractError, match="user_key holds users, who are numbers in what is stored"):
            rule(tmp_path, about % asked)
    assert rule(tmp_path, about % "userId|exists: true")["where"]["order.created.v1"]
