"""What a run committed and what it did not, from the documents of a run."""

from dataclasses import replace

from millrace.catalog.run_outcome import RunOutcome
from millrace.runs.documents import Failure, Mark, Materialized, Part, SilverBatch
from tests.support.runs import Run, part

ORDERS, TRANSACTIONS, FACTS = (
    "silver.order_created_v1",
    "silver.transaction_created_v1",
    "marts.fct_transactions",
)
ACME, DAY = "org_acme", "2026-11-20"


def outcome(run: Run) -> RunOutcome:
    return RunOutcome(
        plan=run.plan(),
        silver=run.batches(),
        prepared=run.prepared,
        chunks={chunk.table: [chunk] for chunk in run.chunks},
        commits=run.commits,
    )


def committed() -> Run:
    run = Run()
    run.day(ACME, DAY)
    run.day("org_globex", DAY)
    run.silver = [part(ORDERS, ACME, DAY), part(ORDERS, "org_globex", DAY), part(TRANSACTIONS, ACME, DAY)]
    run.commit(ORDERS, *run.silver[:2])
    run.commit(TRANSACTIONS, run.silver[2])
    run.build(FACTS, part(FACTS, ACME, DAY), inputs=(TRANSACTIONS,))
    return run


def finished(run: Run) -> list[str]:
    return [day.org for day in outcome(run).finished]


def test_all_committed() -> None:
    found = outcome(committed())
    assert found.status == "done"
    assert found.failures == ()
    assert finished(committed()) == [ACME, "org_globex"]
    assert found.tables == (ORDERS, TRANSACTIONS, FACTS)


def test_nothing_to_do_is_done() -> None:
    assert outcome(Run()).status == "done"


def test_a_run_that_did_not_take_in_all_that_was_accepted_is_not_done() -> None:
    found = outcome(committed())
    mark = Mark("2026-11-21T10:05:00.000Z", {ACME: 6325})
    behind = replace(found, plan=replace(found.plan, mark=mark))
    assert behind.status == "partly"
    assert [one["error"] for one in behind.failures] == [
        "6,325 accepted events not yet archived (org_acme 6,325)"
    ]
    # What it took in is done: the rest has its days pending once it is archived.
    assert (behind.finished, behind.not_committed) == (found.finished, {})
    reached = replace(found, plan=replace(found.plan, mark=replace(mark, not_archived={})))
    assert reached.status == "done"
    nothing = outcome(Run())
    assert replace(nothing, plan=replace(nothing.plan, mark=mark)).status == "partly"


def test_a_failed_tenant_day_is_named_and_stays_pending() -> None:
    run = committed()
    run.failures = [Failure("org_globex", DAY, "corrupt object")]
    found = outcome(run)
    assert found.status == "partly"
    assert found.failures == (
        {"step": "transform", "table": None, "org": "org_globex", "day": DAY, "error": "corrupt object"},
    )
    assert finished(run) == [ACME]


def test_rows_that_no_contract_describes_yet_are_named_and_keep_their_day_pending() -> None:
    run = committed()
    unread = Part("order.created/9.0.0", "org_globex", DAY, None, 3, 0, dead=3)
    found = outcome(run)
    found = replace(found, silver=(*found.silver, SilverBatch("run", 9, (), (), (unread,))))
    assert found.status == "partly"
    assert [(one["org"], one["error"]) for one in found.failures] == [
        ("org_globex", "no contract in force describes order.created/9.0.0: 3 rows")
    ]
    assert [day.org for day in found.finished] == [ACME]


def test_a_failure_that_keeps_a_day_out_of_every_table_is_said_once() -> None:
    run = committed()
    run.failures = [Failure("org_globex", DAY, "corrupt object")]
    run.silver = [one for one in run.silver if one.org == ACME]
    left = (Failure("org_globex", DAY, "failed: corrupt object"),)
    for table in (ORDERS, TRANSACTIONS):
        kept = tuple(one for one in run.silver if one.table == table)
        run.commits[table] = replace(run.commits[table], landed=kept, left_out=left)
    assert [one["error"] for one in outcome(run).failures] == ["corrupt object"]
    assert finished(run) == [ACME]


def test_what_a_check_blocked_stays_pending_for_its_tenant_only() -> None:
    run = committed()
    run.commits[ORDERS] = replace(
        run.commits[ORDERS],
        landed=(run.silver[0],),
        left_out=(Failure("org_globex", DAY, "range(total_amount): 1 of 10 rows"),),
    )
    assert outcome(run).status == "partly"
    assert finished(run) == [ACME]
    assert outcome(run).committed_parts(ORDERS) == (run.silver[0],)


def test_a_conflict_of_one_table_keeps_its_days_pending() -> None:
    run = committed()
    run.commits[TRANSACTIONS] = replace(run.commits[TRANSACTIONS], status="conflict", landed=())
    found = outcome(run)
    assert [(one["table"], one["error"]) for one in found.failures] == [(TRANSACTIONS, "conflict")]
    assert finished(run) == ["org_globex"]
    assert found.committed_parts(TRANSACTIONS) == ()


def test_a_batch_that_came_to_no_end_is_named() -> None:
    run = committed()
    run.ended = False
    run.commits.clear()
    found = outcome(run)
    assert "batch 0 came to no end" in {one["error"] for one in found.failures}
    assert finished(run) == []
    assert found.status == "failed"


def test_a_table_that_was_never_committed_is_named() -> None:
    run = committed()
    del run.commits[ORDERS]
    assert {"was not committed"} == {one["error"] for one in outcome(run).failures}
    assert finished(run) == []


def test_what_is_unchanged_is_committed() -> None:
    run = committed()
    run.commits[ORDERS] = replace(run.commits[ORDERS], status="unchanged", landed=())
    assert outcome(run).status == "done"
    assert outcome(run).committed_parts(ORDERS) == tuple(run.silver[:2])


def test_tables_that_fail_are_skipped_or_lost_are_named_and_silver_is_done() -> None:
    run = committed()
    chunk = replace(run.chunks[0], parts=(), failures=(Failure(ACME, DAY, "divides by zero"),))
    run.chunks = [chunk]
    run.commits[FACTS] = replace(run.commits[FACTS], status="failed", landed=())
    run.prepared["marts.later"] = replace(
        run.prepared[FACTS], table="marts.later", status="skipped", reason=f"{FACTS} failed"
    )
    run.prepared["marts.lost"] = replace(run.prepared[FACTS], table="marts.lost")
    found = outcome(run)
    said = {(one["table"], one["error"]) for one in found.failures}
    assert (FACTS, "divides by zero") in said
    assert ("marts.later", f"{FACTS} failed") in said
    assert ("marts.lost", "chunk 0 came to no end") in said
    assert found.status == "partly"
    assert finished(run) == [ACME, "org_globex"]


def test_a_table_from_nowhere_fails_the_run() -> None:
    found = replace(outcome(committed()), without_lineage=(FACTS,))
    assert found.status == "failed"
    assert found.failures[-1]["error"] == "has no lineage"


def test_features_that_failed_are_named_and_keep_nothing_pending() -> None:
    done = {"entity": "user_features", "status": "complete", "error": None}
    broken = {"entity": "merchant_risk", "status": "failed", "error": "the table did not answer"}
    materialized = {
        ACME: Materialized("run", ACME, (done,)),
        "org_b": Materialized("run", "org_b", (done, broken)),
        "org_c": None,
    }
    found = replace(outcome(committed()), materialized=materialized)
    assert [(one["step"], one["table"], one["org"], one["error"]) for one in found.failures] == [
        ("features", "merchant_risk", "org_b", "the table did not answer"),
        ("features", None, "org_c", "came to no end"),
    ]
    assert found.status == "partly"
    assert [day.org for day in found.finished] == [ACME, "org_globex"]
    # Where nothing was to land, the tables have not failed.
    assert replace(outcome(Run()), materialized=materialized).status == "partly"
    assert replace(outcome(Run()), materialized={ACME: materialized[ACME]}).status == "done"


def test_sources_that_were_not_pinned_are_named() -> None:
    (failure,) = replace(outcome(committed()), unpinned="Glue did not answer").failures
    assert (failure["step"], failure["error"]) == (
        "features",
        "the sources were not pinned: Glue did not answer",
    )


def test_what_is_still_pending_is_told_with_its_tables_and_errors() -> None:
    run = committed()
    run.day("org_zest", DAY)
    run.failures = [Failure("org_zest", DAY, "corrupt object")]
    run.commits[ORDERS] = replace(
        run.commits[ORDERS], landed=(run.silver[1],), left_out=(Failure(ACME, DAY, "failed: odd"),)
    )
    # A table is made again from silver as it is: no day is pending for it.
    chunk = replace(run.chunks[0], parts=(), failures=(Failure("org_globex", DAY, "divides by zero"),))
    run.chunks = [chunk]
    found = replace(
        outcome(run), plan=replace(run.plan(), left_out=(Failure("org_odd", DAY, "no manifest"),))
    )
    assert found.not_committed == {
        (ACME, DAY): ((ORDERS, "failed: odd"),),
        ("org_zest", DAY): ((None, "corrupt object"),),
        ("org_odd", DAY): ((None, "no manifest"),),
    }
    assert {(one["step"], one["org"], one["day"]) for one in found.failures} == {
        ("plan", "org_odd", DAY),
        ("transform", "org_zest", DAY),
        ("commit", ACME, DAY),
        ("model", "org_globex", DAY),
    }
    assert found.status == "partly"


def test_days_of_an_interval_are_not_pending_and_not_told_so() -> None:
    run = committed()
    run.days = [replace(day, token=None) for day in run.days]
    run.failures = [Failure("org_globex", DAY, "corrupt object")]
    assert outcome(run).not_committed == {}


def test_a_table_that_came_to_no_end_names_every_tenant_day_of_it() -> None:
    run = committed()
    del run.commits[ORDERS]
    messages = [(one["table"], one["org"], one["day"]) for one in outcome(run).failures]
    assert messages == [(ORDERS, ACME, DAY), (ORDERS, "org_globex", DAY)]
    assert set(outcome(run).not_committed) == {(ACME, DAY), ("org_globex", DAY)}
