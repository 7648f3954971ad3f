"""`contracts lint` over everything but contracts themselves: what is wrong, where, and what makes it right again."""

import re
import shutil
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import orjson
import pytest

from millrace.compiler import feature_views
from millrace.compiler.documents import LARGEST_BYTES
from millrace.compiler.lint import lint
from tests.support.contracts import SCHEMAS

ROOT = SCHEMAS.parent
COPIED = (
    "schemas/events/commerce/order.created",
    "schemas/events/payments/payment.captured",
    "schemas/events/identity/user.registered",
    "schemas/published/order.created",
    "schemas/published/user.registered",
    "schemas/published/payment.captured",
    "schemas/dictionaries/payment.captured.v1.1.zdict",
    "schemas/fraud",
    "schemas/tables/marts/revenue_by_day.yaml",
    "warehouse/dbt_project.yml",
    "warehouse/macros",
    "warehouse/tests",
    "warehouse/models/staging/stg_payments.sql",
    "warehouse/models/marts/revenue_by_day.sql",
)
RULES, NAMES, VIEW = (
    "schemas/fraud/rules.yaml",
    "schemas/producers/segment.yaml",
    "schemas/features/payer.yaml",
)
TABLE, SQL = "schemas/tables/marts/revenue_by_day.yaml", "warehouse/models/marts/revenue_by_day.sql"
STAGING, EXPOSURES = "warehouse/models/staging/staging.yml", "warehouse/models/exposures.yml"
PROJECT, MACRO = "warehouse/dbt_project.yml", "warehouse/macros/recency.sql"
GOLDEN = "schemas/events/payments/payment.captured/samples/v1.golden.json"
REFUSED = "schemas/events/payments/payment.captured/samples/v1.broken.json"
WRITTEN = {
    NAMES: "track:\n  Payment Captured: payment.captured\nself-describing:\n  com.example/payment/1: payment.captured\n",
    VIEW: """name: payer
version: 1.0.0
description: What a user paid.
owner: finance
entity: {name: user, key: user_id}
sources:
  - table: silver.payment_captured_v1
    key: user_id
    timestamp: event_time
    features:
      - {name: paid, aggregate: sum, column: amount, windows: [7d], description: Money.}
""",
    "schemas/features/ratio.yaml": """name: ratio
version: 1.0.0
description: How large an amount is.
owner: finance
request: [amount]
derived:
  - {name: over_week, expression: request.amount / payer.paid_7d, description: Over the week.}
""",
    STAGING: """models:
  - name: stg_payments
    description: A payment's last report of each UTC day.
    columns:
      - {name: payment_id, description: The payment., data_tests: [not_null]}
    data_tests: [{unique_within: {arguments: {columns: [payment_id], day: event_time}}}]
unit_tests:
  - name: one
    model: stg_payments
    given: [{input: "source('silver', 'payment_captured_v1')", rows: []}]
    expect: {rows: []}
""",
    EXPOSURES: """exposures:
  - name: overview
    type: dashboard
    depends_on: [ref('revenue_by_day')]
    owner: {name: finance}
""",
}
# What is replaced in a file, by what, → line and sentence. A text that ends in … is how the sentence begins.
BROKEN = {
    "a factor misspelt": (
        RULES,
        "factor: weekend",
        "factor: weekends",
        ':16 /factors/5: there is no such factor: "weekends" is none of known_fraud, high_amount, crypto_payment, '
        "high_risk_country, late_night, weekend, velocity; did you mean weekend?",
    ),
    "a setting misspelt": (
        RULES,
        "threshold: 5000",
        "treshold: 5000",
        ":10 /factors/1/treshold: there is no such setting; did you mean threshold?",
    ),
    "points as a text": (
        RULES,
        "points: 30",
        'points: "30"',
        ':10 /factors/1/points: it has to be a whole number, not "30"; write 30, without quotes',
    ),
    "points below nothing": (
        RULES,
        "points: 30",
        "points: -30",
        ":10 /factors/1/points: it has to be at least 0, not -30",
    ),
    "a day misspelt": (
        RULES,
        "saturday",
        "saterday",
        ":16 /factors/5/days: no day is called saterday; did you mean saturday?",
    ),
    "a version of two numbers": (
        RULES,
        "version: 1.0.0",
        "version: 1.0",
        ":5 /version: a version is major.minor.patch, such as 1.2.0, not 1.0",
    ),
    "an override of a factor that is none": (
        RULES,
        "tenants: []",
        "tenants: [{org: org_acme, factors: [{factor: velocityy, points: 1}]}]",
        ':30 /tenants/0/factors/0: there is no such factor: "velocityy" is none of …',
    ),
    "an override that is not a list": (
        RULES,
        "tenants: []",
        "tenants: [{org: org_acme, factors: many}]",
        ':30 /tenants/0/factors: it has to be a list, not "many"',
    ),
    "a type misspelt": (
        NAMES,
        "d: payment.captured",
        "d: payment.capture",
        ":2 /track/Payment Captured: payment.capture is not a type that a client may send; did you mean payment.captured?",
    ),
    "a kind misspelt": (
        NAMES,
        "track:",
        "trak:",
        ":1 /trak: a kind is one of track, self-describing, structured; did you mean track?",
    ),
    "a name without its version": (
        NAMES,
        "payment/1:",
        "payment:",
        ":4 /self-describing/com.example~1payment: a name of this kind is vendor/name/model, such as com.example/product_view/1",
    ),
    "a list of types": (
        NAMES,
        "d: payment.captured",
        "d: [payment.captured]",
        ":2 /track/Payment Captured: ['payment.captured'] is not a type …",
    ),
    "a table misspelt": (
        VIEW,
        "table: silver.payment_captured_v1",
        "table: silver.payments_captured_v1",
        ":7 /sources/0/table: there is no table silver.payments_captured_v1; did you mean silver.payment_captured_v1?",
    ),
    "a column misspelt": (
        VIEW,
        "column: amount",
        "column: amont",
        ":11 /sources/0/features/0/column: silver.payment_captured_v1 has no column amont; did you mean amount?",
    ),
    "an aggregate misspelt": (
        VIEW,
        "aggregate: sum",
        "aggregate: total",
        ':11 /sources/0/features/0/aggregate: "total" is none of count, sum, mean, share, min, max, stddev, latest, since',
    ),
    "a window of a week": (
        VIEW,
        "[7d]",
        "[1w]",
        ":11 /sources/0/features/0/windows/0: a window is a whole number of s, m, h or d, such as 10m or 7d; or all, "
        'not "1w"',
    ),
    "an unknown key of a view": (
        VIEW,
        "owner: finance",
        "ownr: finance",
        ":4 /ownr: there is no such setting; did you mean owner?",
    ),
    "a feature misspelt": (
        "schemas/features/ratio.yaml",
        "payer.paid_7d",
        "payer.payd_7d",
        ":7 /derived/0/expression: there is no feature payer.payd_7d; did you mean payer.paid_7d?",
    ),
    "a metric misspelt": (
        TABLE,
        "metric: duplicateValues",
        "metric: duplicateValue",
        ":20 /schema/0/quality/0/metric: duplicateValue is none of nullValues, missingValues, invalidValues, "
        "duplicateValues, rowCount; did you mean duplicateValues?",
    ),
    "a check of no column": (
        TABLE,
        "properties: [day, currency]",
        "properties: [day, curency]",
        ":18: the check one_row_each cannot be computed: DuckDB refuses it: …",
    ),
    "a macro misspelt": (
        SQL,
        "total('amount')",
        "totl('amount')",
        ":9: 'totl' is undefined: transforms may say ref, source, var, config and the macros of warehouse/macros; did you mean total?",
    ),
    "a transform misspelt": (
        SQL,
        "ref('stg_payments')",
        "ref('stg_payment')",
        ":12: no transform is called stg_payment; did you mean stg_payments?",
    ),
    "a column of no table": (
        SQL,
        "COUNT(payment_id)",
        "COUNT(payment_idd)",
        ':6: DuckDB refuses it: Binder Error: Referenced column "payment_idd" not found in FROM clause!; did you mean payment_id?',
    ),
    "an open brace": (SQL, "}} AS revenue,", "} AS revenue,", ":9: Jinja on line 9: …"),
    "a macro that does not end": (MACRO, "endmacro", "endmacr", ":4: Jinja on line 4: …"),
    "a broken project": (
        PROJECT,
        "flags:",
        "flags",
        ":15: while scanning a simple key could not find expected ':'",
    ),
    "a model misspelt": (
        STAGING,
        "- name: stg_payments",
        "- name: stg_payment",
        ":2 /models/0/name: no transform is called stg_payment; did you mean stg_payments?",
    ),
    "a described column misspelt": (
        STAGING,
        "name: payment_id",
        "name: paymnt_id",
        ":5 /models/0/columns/0/name: stg_payments has no column paymnt_id; did you mean payment_id?",
    ),
    "a test misspelt": (
        STAGING,
        "[not_null]",
        "[not_nul]",
        ":5 /models/0/columns/0/data_tests/0: no test is called not_nul; did you mean not_null?",
    ),
    "a test of a package": (
        STAGING,
        "[not_null]",
        "[dbt_utils.accepted_range]",
        ":5 /models/0/columns/0/data_tests/0: dbt_utils.accepted_range is of a package, and none is installed: …",
    ),
    "a source misspelt": (
        STAGING,
        "payment_captured_v1",
        "payment_capturd_v1",
        ":10 /unit_tests/0/given/0/input: silver.payment_capturd_v1 is not a table; did you mean silver.payment_captured_v1?",
    ),
    "an exposure of no table": (
        EXPOSURES,
        "revenue_by_day",
        "revenue_by_date",
        ":4 /exposures/0/depends_on/0: no transform is called revenue_by_date; did you mean revenue_by_day?",
    ),
    "an exposure without an owner": (
        EXPOSURES,
        "    owner: {name: finance}\n",
        "",
        ":2 /exposures/0/owner: is missing",
    ),
    "an exposure with a tab": (
        EXPOSURES,
        "    type",
        "\ttype",
        ":3: while scanning for the next token found character '\\t' that cannot start any token; "
        "YAML is indented with spaces, not tabs",
    ),
    "samples that are not JSON": (GOLDEN, "[", "[{", ":2: this is not JSON, unexpected character…"),
}
# The whole content of a file → the sentence.
WHOLE = {
    "not UTF-8": (RULES, b"name: fraud\nversion: \xff", ":2: byte 0xff is not UTF-8: save the file as UTF-8"),
    "a NUL": (RULES, b"name: fraud\nversion: 1\0", ":2: YAML has no character U+0000: remove it"),
    "a key twice": (RULES, b"name: fraud\nname: fraud\n", ":2: name stands here twice"),
    "an anchor that holds itself": (
        RULES,
        b"name: &a [*a]",
        ":1: an anchor (&) holds itself (*): write out what it stands for",
    ),
    "an alias of nothing": (RULES, b"name: *a", ":1: found undefined alias 'a'"),
    "nothing": (RULES, b"", ":1: the rules are an object, as docs/fraud.md shows"),
    "a list of names": (
        NAMES,
        b"- a",
        ":1: a file of names is an object, whose keys are of track, self-describing, structured",
    ),
    "a list as a view": (VIEW, b"- a", ':1: it has to be an object, not ["a"]'),
    "a list as exposures": (EXPOSURES, b"- a", ':1: it has to be an object, not ["a"]'),
    "an empty project": (
        PROJECT,
        b"",
        ":1 /vars: the project is an object, and its vars are names, each with a value",
    ),
    "SQL that is not UTF-8": (SQL, b"SELECT '\xff'", ": byte 0xff is not UTF-8: save the file as UTF-8"),
    "no samples": (GOLDEN, b"[]", ":1: samples are a list of at least one object"),
    "data in the place of rules": (
        RULES,
        b"a: b\n" * (LARGEST_BYTES // 4),
        f":1: it has 2,500,000 bytes, and a document at most {LARGEST_BYTES:,}: it is data, or belongs in several files",
    ),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, root / name)
    for name, text in WRITTEN.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    feature_views.pin(root / "schemas")
    assert lint(root).problems == ()
    return root


@pytest.fixture
def root(tree: Path) -> Iterator[Path]:
    """The tree, whose files are as they were when the test is over."""
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    yield tree
    for path, content in before.items():
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_named_by_its_line(name: str, root: Path) -> None:
    file, old, new, wanted = BROKEN[name]
    change(root / file, old, new)
    wanted = f"{file}{wanted}"
    found = lint(root).problems
    assert any(one.startswith(wanted[:-1]) if wanted.endswith("…") else one == wanted for one in found), found
    assert not any("\n" in one for one in found)
    if "did you mean" in wanted:
        # What the sentence proposes, in the place of what is there, is right.
        meant = wanted.rpartition("did you mean ")[2].rstrip("?")
        (wrong,) = get_close_matches(meant, re.findall(r"[\w.]+", new), n=1, cutoff=0)
        change(root / file, new, new.replace(wrong, meant if "." in wrong else meant.rpartition(".")[2], 1))
        assert lint(root).problems == ()


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_no_document_is_named(name: str, root: Path) -> None:
    file, content, wanted = WHOLE[name]
    (root / file).write_bytes(content)
    assert lint(root).problems == (f"{file}{wanted}",)


def test_a_golden_sample_that_lacks_a_required_field_is_named_by_file_and_index(root: Path) -> None:
    events = orjson.loads((root / GOLDEN).read_bytes())
    at = len(events)
    events.append({**events[0], "eventId": "e", "data": {"payload": {}}})
    (root / GOLDEN).write_bytes(orjson.dumps(events, option=orjson.OPT_INDENT_2))
    found = lint(root).problems
    (line,) = (one for one in found if "/paymentId" in one)
    assert line.startswith(f"{GOLDEN}:")
    assert line.endswith(
        f" /{at}/data/payload/paymentId: is required, by payment.captured.v1; correct sample {at}, counted from 0"
    )


def test_a_refused_sample_says_what_the_contract_finds(root: Path) -> None:
    cases = orjson.loads((root / REFUSED).read_bytes())
    cases[0]["errors"] = [{"pointer": "/data/payload/amount", "code": "enum"}]
    cases[1]["patch"] = [{"op": "remove", "path": "/data/payload/none"}]
    (root / REFUSED).write_bytes(orjson.dumps(cases))
    first, second = lint(root).problems
    assert first.startswith(f"{REFUSED}:1 /0/errors: the contract finds ")
    assert second.startswith(f"{REFUSED}:1 /1: its patch does not fit the first golden sample: ")


def test_all_mistakes_are_said_at_once(root: Path) -> None:
    for name in (
        "a factor misspelt",
        "a kind misspelt",
        "a column misspelt",
        "a macro misspelt",
        "a test misspelt",
    ):
        file, old, new, _ = BROKEN[name]
        change(root / file, old, new)
    files = {one.partition(":")[0] for one in lint(root).problems}
    assert files == {RULES, NAMES, VIEW, SQL}
    change(root / SQL, "totl(", "total(")
    assert STAGING in {one.partition(":")[0] for one in lint(root).problems}


def test_what_needs_contracts_waits_for_them(root: Path) -> None:
    change(root / TABLE, "metric: duplicateValues", "metric: duplicateValue")
    change(root / RULES, "saturday", "saterday")
    found = lint(root)
    assert {one.partition(":")[0] for one in found.problems} == {TABLE, RULES}
    assert "once the contracts compile" in found.skipped


def test_an_online_view_has_a_key_that_the_api_knows(root: Path) -> None:
    shutil.copy(SCHEMAS / "openapi.yaml", root / "schemas")
    change(root / VIEW, "entity: {name: user, key: user_id}", "entity: {name: user, key: payer_id}")
    change(root / VIEW, "version: 1.0.0", "version: 1.1.0")
    feature_views.pin(root / "schemas")
    assert lint(root).problems == ()
    change(root / VIEW, "owner: finance", "owner: finance\nonline: true")
    change(root / VIEW, "version: 1.1.0", "version: 1.2.0")
    feature_views.pin(root / "schemas")
    (said,) = lint(root).problems
    assert said.startswith(f"{VIEW}:")
    assert "/entity/key: payer_id is not a parameter of GET /v1/features" in said
