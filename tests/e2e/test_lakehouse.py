"""The lakehouse on the deployed platform: what was accepted is in every layer once, again and again, and in its past."""

import json
import random
import subprocess
import sys
import uuid
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, command
from tests.support import events
from tests.support.client import Client, eventually

ORGS = ("org_acme", "org_globex")
ORDERS = "silver.order_created_v1"
TRANSACTIONS = "silver.transaction_created_v1"
HEALTH = "silver.system_health_check_v1"
MARTS = ("marts.fct_transactions", "marts.orders_enriched")
DAYS_AGO = 2
# The first one waits for the deploy, and a run starts a dozen functions.
pytestmark = pytest.mark.timeout(600)


class Lake:
    """The command line, as this module uses it."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = environ

    def etl(self, *arguments: str) -> dict[str, Any]:
        """A run that ends well."""
        done = command("etl", *arguments, "--json", environ=self.environ, seconds=400)
        assert done.returncode == 0, done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return document

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a statement."""
        done = command("query", sql, "--json", environ=self.environ)
        assert done.returncode == 0, done.stdout + done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return rows

    def content(self, *tables: str) -> dict[str, tuple[int, str]]:
        """Rows of each table, and a sum over what is in them."""
        each = (
            f"SELECT '{table}' AS \"table\", count(*) AS n, sum(hash(t))::VARCHAR AS content FROM {table} AS t"
            for table in tables
        )
        rows = self.query(" UNION ALL ".join(each))
        return {row["table"]: (row["n"], row["content"]) for row in rows}

    def snapshots(self) -> dict[str, list[int]]:
        """The ids of each table's snapshots, oldest first."""
        found: dict[str, list[int]] = {}
        for row in self.query("SELECT * FROM lake.snapshots ORDER BY committed_at"):
            found.setdefault(row["table"], []).append(row["snapshot"])
        return found


@pytest.fixture(scope="module")
def lake(client: Client, environ: dict[str, str]) -> Lake:
    return Lake(environ)


@pytest.fixture(scope="module")
def sent(client: Client, lake: Lake) -> dict[str, list[dict[str, Any]]]:
    """Two tenants' events, some of them sent again, all of them archived, with what was derived from them."""
    rng = random.Random(uuid.uuid4().int)
    made = {}
    for org in ORGS:
        good = events.mixed(1000, rng)
        for batch in (good[:500], good[500:], rng.sample(good, 100)):
            answer = client.post(batch, org=org).body
            assert answer["rejected"] == answer["conflicts"] == answer["unavailable"] == 0
        made[org] = good
    wanted = {(org, event["eventId"]) for org in ORGS for event in made[org]}
    assert wanted <= eventually(lambda: set(client.raw()), wanted.__le__, seconds=90)
    _decided(lake)
    return made


def _decided(lake: Lake) -> None:
    """Waits until each transaction's decision is archived too: a later one would be new to the next run."""
    sql = "SELECT event_type, count(DISTINCT event_id) AS n FROM raw.events WHERE event_type IN "
    sql += "('transaction.created', 'fraud.decision.made') GROUP BY ALL"
    counts = eventually(
        lambda: {row["event_type"]: row["n"] for row in lake.query(sql)},
        lambda found: found["transaction.created"] == found.get("fraud.decision.made"),
    )
    assert len(set(counts.values())) == 1, counts


def _ids(lake: Lake, *tables: str) -> dict[str, Counter[tuple[str, str]]]:
    """How often each event is in each table."""
    found: dict[str, Counter[tuple[str, str]]] = {table: Counter() for table in tables}
    each = (f"SELECT '{table}' AS \"table\", org_id, event_id FROM {table}" for table in tables)
    for row in lake.query(" UNION ALL ".join(each)):
        found[row["table"]][row["org_id"], row["event_id"]] += 1
    return found


def _raw_ids(lake: Lake) -> dict[str, set[tuple[str, str]]]:
    """The events in raw by their type."""
    found: dict[str, set[tuple[str, str]]] = {}
    for row in lake.query("SELECT DISTINCT event_type, org_id, event_id FROM raw.events"):
        found.setdefault(row["event_type"], set()).add((row["org_id"], row["event_id"]))
    return found


def test_what_was_accepted_is_in_silver_once_and_in_what_is_made_of_it(
    lake: Lake, sent: dict[str, list[dict[str, Any]]]
) -> None:
    run = lake.etl()
    if not run["tables"]:
        # It is five past the hour, and the platform's own run was here first.
        run = lake.etl("--from", f"{_today() - timedelta(days=4)}", "--to", f"{_today()}")
    tables = {one["table"]: one for one in run["tables"]}
    assert {ORDERS, TRANSACTIONS, HEALTH, *MARTS} <= set(tables)
    held, raw = _ids(lake, ORDERS, TRANSACTIONS, HEALTH), _raw_ids(lake)
    for event_type, table in (
        ("order.created", ORDERS),
        ("transaction.created", TRANSACTIONS),
        ("system.health.check", HEALTH),
    ):
        ids = held[table]
        mine = {(org, e["eventId"]) for org in ORGS for e in sent[org] if e["eventType"] == event_type}
        assert mine <= set(ids) == raw[event_type]
        assert set(ids.values()) == {1}
        assert tables[table]["rows"] == len(ids)
    counted = lake.query(
        f"SELECT 'silver' AS layer, org_id, count(*) AS n, sum(amount) AS total FROM {TRANSACTIONS} GROUP BY ALL"
        " UNION ALL SELECT 'facts', org_id, count(*), sum(amount) FROM marts.fct_transactions GROUP BY ALL"
        " UNION ALL SELECT 'windows', org_id, sum(transaction_count), NULL FROM gold.merchant_10min GROUP BY ALL"
    )
    silver, facts, windows = (
        {row["org_id"]: (row["n"], row["total"]) for row in counted if row["layer"] == layer}
        for layer in ("silver", "facts", "windows")
    )
    assert facts == silver != {}
    assert {org: n for org, (n, _) in windows.items()} == {org: n for org, (n, _) in silver.items()}
    assert not [
        check for check in run["checks"] if check["status"] == "fail" and check["check"] != "freshness"
    ]


def test_where_an_event_is_in_silver_is_in_its_trace(
    client: Client, sent: dict[str, list[dict[str, Any]]]
) -> None:
    event = next(event for event in sent["org_acme"] if event["eventType"] == "order.created")
    steps = {step["step"]: step for step in client.get(f"/v1/events/{event['eventId']}/trace").body["steps"]}
    assert "in_silver" in steps


def test_features_are_online_for_each_tenant(
    client: Client, lake: Lake, sent: dict[str, list[dict[str, Any]]]
) -> None:
    asked = "user_features:transaction_count_30d,user_features:mean_amount_30d"
    for org in ORGS:
        of = f"FROM marts.fct_transactions WHERE org_id = '{org}'"
        (user,) = lake.query(f"SELECT user_id AS id {of} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
        whose = client.get(f"/v1/subjects/{user['id']}", org=org, by="number").body["userId"]
        answer = client.get("/v1/features", org=org, features=asked, user_id=whose)
        assert answer.status == 200, answer.body
        count, mean = answer.body["results"]
        until = f"TIMESTAMPTZ '{count['asOf']}'"
        (wanted,) = lake.query(
            f"SELECT count(*) AS n, avg(amount) AS mean {of} AND user_id = {user['id']} "
            f"AND event_time < {until} AND event_time >= {until} - INTERVAL 720 HOUR"
        )
        assert (count["status"], count["value"]) == ("ok", wanted["n"])
        assert mean["value"] == pytest.approx(wanted["mean"])
        (nobody,) = client.get(
            "/v1/features", org=org, features="user_features:order_count", user_id="nobody"
        ).body["results"]
        assert (nobody["value"], nobody["status"]) == (0, "missing")


def test_nothing_new_changes_nothing(lake: Lake, sent: dict[str, list[dict[str, Any]]]) -> None:
    lake.etl()
    before = lake.snapshots()
    lake.etl()
    assert lake.snapshots() == before


def test_a_late_event_opens_its_day_again_and_no_other(
    client: Client, lake: Lake, sent: dict[str, list[dict[str, Any]]]
) -> None:
    files = _files(client, ORDERS)
    moment = datetime.now(UTC).isoformat()
    late = events.order(timestamp=events.moment(timedelta(days=DAYS_AGO)))
    day = late["timestamp"][:10]
    assert client.post(late).body["accepted"] == 1
    _archived(client, late["eventId"])
    lake.etl()
    (last,) = lake.query(
        f"SELECT run FROM lake.snapshots WHERE \"table\" = '{ORDERS}' ORDER BY committed_at DESC LIMIT 1"
    )
    plan = json.loads(_document(client, last["run"], "plan"))
    assert plan["batches"] == 1
    batch = json.loads(_document(client, last["run"], f"plan/{plan['version']}/0"))
    assert [(one["org"], one["day"]) for one in batch["days"]] == [("org_acme", day)]
    assert _ids(lake, ORDERS)[ORDERS]["org_acme", late["eventId"]] == 1
    after = _files(client, ORDERS)
    assert {place for place in after if after[place] != files.get(place)} == {("org_acme", day)}
    (then,) = lake.query(f"SELECT count(*) AS n FROM {ORDERS} AS OF '{moment}'")
    (now,) = lake.query(f"SELECT count(*) AS n FROM {ORDERS}")
    assert now["n"] == then["n"] + 1


def test_two_runs_at_once_leave_one_result(
    client: Client, lake: Lake, sent: dict[str, list[dict[str, Any]]]
) -> None:
    fresh = [events.order() for _ in range(20)]
    assert client.post(fresh).body["accepted"] == 20
    _archived(client, *(event["eventId"] for event in fresh))
    arguments = [sys.executable, "-m", "cli.main", "etl", "--json"]
    runs = [
        subprocess.Popen(
            arguments, cwd=ROOT, env=lake.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    document = [run.communicate(timeout=400) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], document
    names = {json.loads(out.splitlines()[-1])["runId"] for out, _ in document}
    assert len(names) == 2, "each is a run of its own, one after the other"
    ids = _ids(lake, ORDERS)[ORDERS]
    assert {("org_acme", event["eventId"]) for event in fresh} <= set(ids)
    assert set(ids.values()) == {1}


def test_a_backfill_of_everything_gives_the_same_and_the_past_can_be_read(
    lake: Lake, sent: dict[str, list[dict[str, Any]]]
) -> None:
    tables = (ORDERS, TRANSACTIONS, HEALTH, *MARTS)
    before, ids = lake.content(*tables), lake.snapshots()
    run = lake.etl("--from", f"{_today() - timedelta(days=7)}", "--to", f"{_today()}")
    assert run["runId"].startswith("backfill-")
    assert lake.content(*tables) == before
    past = {f"{table} AS OF {ids[table][-1]}": before[table] for table in tables}
    assert lake.content(*past) == past


def test_what_is_not_there_is_said(lake: Lake, sent: dict[str, list[dict[str, Any]]]) -> None:
    for sql, sentence in (
        ("SELECT 1 FROM silver.nothing", "there is no table silver.nothing; there are"),
        (f"SELECT 1 FROM {ORDERS} AS OF '2026-01-01'", "has no snapshot before"),
        (f"SELECT 1 FROM {ORDERS} AS OF 5", "has no snapshot 5"),
    ):
        done = command("query", sql, environ=lake.environ)
        assert done.returncode == 2
        assert sentence in done.stderr
    assert command("etl", "--from", "2026-11-02", environ=lake.environ).returncode == 2


def _today() -> date:
    return datetime.now(UTC).date()


def _archived(client: Client, *ids: str) -> None:
    wanted = set(ids)
    seen = eventually(lambda: {one for _, one in client.raw()}, wanted.__le__, seconds=60)
    assert wanted <= seen


def _document(client: Client, run: str, name: str) -> bytes:
    bucket = client.outputs["LakeBucket"]
    body: bytes = client.aws("s3").get_object(Bucket=bucket, Key=f"runs/{run}/{name}.json")["Body"].read()
    return body


def _files(client: Client, table: str) -> dict[tuple[str, str | None], set[str]]:
    """The data files of a table's last snapshot, by tenant and day."""
    from millrace.iceberg.tables import catalog, open_table

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", client.endpoint)
        opened = open_table(catalog("local", client.outputs["LakeBucket"]), table)
        assert opened is not None
        found: dict[tuple[str, str | None], set[str]] = {}
        for file in opened.files():
            found.setdefault((file.org, file.day), set()).add(file.path)
    return found
