"""Aggregates as files: what the build takes, what it refuses, and what it says then."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from millrace.aggregates import measures
from millrace.aggregates.definition import Aggregate
from millrace.aggregates.fold import Fold
from millrace.compiler import deployed, pins
from millrace.compiler.aggregate_diff import gate_aggregates
from millrace.compiler.aggregates import FOLDER, compile_aggregates, pin
from millrace.compiler.event_contracts import compile_contracts
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError
from millrace.contracts.fields import fields
from tests.support.contracts import SCHEMAS

TEXT = """name: orders
version: 1.0.0
description: Orders.
owner: commerce
events: [order.created]
keys: {user: user_id}
measures:
  - {name: orders, measure: count}
  - {name: revenue, measure: sum, of: total_amount}
"""


@pytest.fixture(scope="module")
def contracts() -> Sequence[Contract]:
    return compile_contracts(SCHEMAS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir()
    return tmp_path


@pytest.fixture
def compiled(folder: Path, contracts: Sequence[Contract]) -> Callable[..., Aggregate]:
    """The aggregate of a file that differs from `TEXT`, which the edit changes in place."""

    def compile_(edit: Callable[[dict[str, Any]], Any] = lambda _: None) -> Aggregate:
        document = yaml.safe_load(TEXT)
        edit(document)
        (folder / FOLDER / "orders.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        pin(folder, contracts)
        (found,) = compile_aggregates(folder, contracts)
        return Aggregate.from_json(found)

    return compile_


def test_what_is_not_said_has_a_default(compiled: Callable[..., Aggregate]) -> None:
    one = compiled()
    assert (one.ranked_by, one.most_keys, one.window_seconds, one.retention_days) == (
        "orders",
        1000,
        600,
        400,
    )
    assert one.lateness_seconds == 7 * 86_400
    assert one.keys[0].of == {"order.created": "user_id"}
    assert one.measures[1].type == "decimal"
    assert not one.of_log


def test_the_least_lateness_of_several_types_is_the_aggregates(compiled: Callable[..., Aggregate]) -> None:
    one = compiled(
        lambda of: of.update(
            events=["order.created", "cart.item_added"],
            keys={"type": "event_type", "user": "user_id"},
            measures=[{"name": "events", "measure": "count"}],
        )
    )
    assert one.lateness_seconds == 86_400
    assert one.columns("cart.item_added") == {"event_type", "user_id"}


def test_a_key_may_be_called_something_else_in_each_type(compiled: Callable[..., Aggregate]) -> None:
    one = compiled(
        lambda of: of.update(
            events=["order.created", "payout.requested"],
            keys={"person": {"order.created": "user_id", "payout.requested": "creator_id"}},
            measures=[
                {
                    "name": "money",
                    "measure": "sum",
                    "of": {"order.created": "total_amount", "payout.requested": "amount"},
                }
            ],
        )
    )
    assert one.ranked_by == "money"
    assert one.keys[0].of["payout.requested"] == "creator_id"


def test_all_events_are_those_of_the_table(
    compiled: Callable[..., Aggregate], contracts: Sequence[Contract]
) -> None:
    one = compiled(
        lambda of: of.update(
            events=["all"],
            lateness="1d",
            keys={"type": "event_type"},
            measures=[{"name": "events", "measure": "count"}],
        )
    )
    assert set(one.events) == {contract.event_type for contract in contracts if contract.store == "table"}


MEASURE = {"name": "x", "measure": "count"}


def add(**measure: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda of: of["measures"].append({**MEASURE, **measure})


def derive(**part: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda of: of.update(
        derived=[{"name": "d", **part}],
        measures=[*of["measures"], {"name": "last", "measure": "max", "of": "event_time"}],
    )


def where(*conditions: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda of: of.update(where=[*conditions])


def of_adjustments(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda of: of.update(
        {"events": ["inventory.adjusted"], "keys": {}, "measures": [MEASURE], **changes}
    )


REFUSED: list[tuple[Callable[[dict[str, Any]], Any], str, str]] = [
    (lambda of: of.update(name="other"), "/name", "the aggregate other lies in other.yaml"),
    (lambda of: of.update(events=["order.create"]), "/events/0", "no contract describes order.create; did you mean order.created?"),
    (lambda of: of.update(events=[]), "/events", "may not be empty"),
    (lambda of: of.update(events=["all"]), "/lateness", "it has to be said"),
    (lambda of: of.update(events=["order.created"] * 2), "/events", "stands here twice"),
    (lambda of: of.update(keys={"user": "user"}), "/keys/user", "has no field user; did you mean user_id?"),
    (lambda of: of.update(keys={"amount": "total_amount"}), "/keys/amount", "total_amount of order.created is a decimal, and a key takes string"),
    (lambda of: of.update(keys={"id": "event_id"}), "/keys/id", "no use as a key: every event has its own"),
    (lambda of: of.update(keys={"city": "meta_shipping_address_city"}), "/keys/city", "is confidential"),
    (lambda of: of.update(where=[{"field": "user_key", "equals": "usr_1"}]), "/where", "user_key of order.created holds users, who are numbers"),
    (lambda of: of.update(where=[{"not": [{"field": "user_id", "startsWith": "bot_"}]}]), "/where", "user_id of order.created holds users, who are numbers"),
    (lambda of: of.update(keys={"orders": "user_id"}), "/measures/0/name", "there is a key orders already"),
    (lambda of: of.update(keys={"start": "user_id"}), "/keys/start", "the name of something else"),
    (lambda of: of.update(keys={f"k{at}": "currency" for at in range(5)}), "/keys", "there may be 4, not 5"),
    (lambda of: of.update(measures=[{**MEASURE, "name": f"m{at}"} for at in range(17)]), "/measures", "there may be 16, not 17"),
    (lambda of: of.update(keys={"user": {"cart.item_added": "user_id"}}), "/keys/user/cart.item_added", "cart.item_added is none of its events"),
    (lambda of: of.update(measures=[{**MEASURE, "measure": "distinct", "of": "user_id"}]), "/measures", "kept by a count or sum, and none of the measures"),
    (lambda of: of.update(rankedBy="x"), "/rankedBy", "x is no count or sum of this aggregate"),
    (lambda of: of.update(window="7m"), "/window", "a multiple of 5m up to 1d, not 7m"),
    (lambda of: of.update(window="2d"), "/window", "up to 1d"),
    (lambda of: of.update(lateness="91d"), "/lateness", "refused once it is 90 days old: at most 90d"),
    (lambda of: of.update(lateness="8d", retention="7d"), "/retention", "7d is less than the lateness, 8d"),
    (lambda of: of.update(source="log"), "/source", "leave source out"),
    (lambda of: of.update(events=["rule.evaluated"], keys={}, measures=[MEASURE]), "/events", "say so by source: log"),
    (lambda of: of.update(events=["rule.evaluated", "order.created"], keys={}, measures=[MEASURE]), "/events/0", "make an aggregate of each"),
    (lambda of: of.update(mostkeys=3), "/mostkeys", "there is no such setting; did you mean mostKeys?"),
    (add(measure="sum"), "/measures/2", "sum needs `of`"),
    (add(of=5), "/measures/2/of", "it has to be a column that all types have"),
    (add(of="user_id"), "/measures/2/of", "count measures no column"),
    (add(measure="share"), "/measures/2", "share needs `where`"),
    (add(measure="top", of="user_id"), "/measures/2", "top has `most`"),
    (add(measure="distribution", of="total_amount"), "/measures/2", "distribution has `edges`"),
    (add(measure="distribution", of="total_amount", edges=[2, 1]), "/measures/2/edges", "edges ascend"),
    (add(measure="distribution", of="total_amount", edges=[0.00001]), "/measures/2/edges", "at most four decimals"),
    (derive(derive="ratio", of="revenue"), "/derived/0", "ratio needs by: it takes of, by"),
    (derive(derive="ratio", of="revenue", by="orders", at="last"), "/derived/0", "ratio has no at"),
    (derive(derive="ratio", of="revenu", by="orders"), "/derived/0/of", "there is no measure revenu before it; did you mean revenue?"),
    (derive(derive="ratio", of="revenue", by="d"), "/derived/0/by", "there is no measure d before it"),
    (derive(derive="ratio", of="revenue", by="last"), "/derived/0/by", "last is a moment, and by of a ratio is a number"),
    (derive(derive="reached", of="revenue", by="orders", since="last", at="orders"), "/derived/0/at", "orders is a whole number or a decimal, and at of a reached is a moment"),
    (derive(name="orders", derive="ratio", of="revenue", by="orders"), "/derived/0/name", "there is a measure orders already"),
    (derive(derive="sum", of="revenue"), "/derived/0/derive", "none of ratio, difference"),
    (add(decay={"halfLife": "30m"}), "/measures/2/decay/halfLife", "a half-life is 1h to 365d, not 30m"),
    (add(decay={"halfLife": "week"}), "/measures/2/decay/halfLife", "a half-life is a whole number of h or d"),
    (add(measure="mean", of="total_amount", decay={"halfLife": "7d"}), "/measures/2/decay", "can decay, count, sum, top, and not a mean"),
    (lambda of: of.update(window="32d", measures=[{**MEASURE, "decay": {"halfLife": "7d"}}]), "/window", "or 2d to 31d, not 32d"),
    (add(measure="funnel", of="session_id"), "/measures/2", "funnel has `steps`"),
    (add(steps=["order.created", "order.completed"]), "/measures/2/steps", "and no other has"),
    (add(measure="funnel", of="session_id", steps=["order.created"]), "/measures/2/steps", "2 to 6 steps, not 1"),
    (add(measure="funnel", of="session_id", steps=["order.created"] * 2), "/measures/2/steps", "stands here twice"),
    (add(measure="funnel", of="session_id", steps=["order.created", "order.complete"]), "/measures/2/steps/1", "order.complete is none of its events"),
    (add(measure="funnel", of="total_amount", steps=["order.created", "order.completed"]), "/measures/2/of", "and funnel takes string, int, long"),
    (lambda of: of["measures"].extend([{"name": f"f{at}", "measure": "funnel", "of": "session_id", "steps": ["order.created", "order.completed"]} for at in range(2)]), "/measures/3", "an aggregate has one funnel"),
    (add(measure="median", of="total_amount"), "/measures/2/measure", "none of count, sum"),
    (add(measure="sum", of="user_id"), "/measures/2/of", "user_id of order.created is a string, and sum takes int, long, decimal"),
    (add(measure="distinct", of="total_amount"), "/measures/2/of", "distinct takes string"),
    (add(measure="min", of="items"), "/measures/2/of", "items of order.created is a list or an object"),
    (of_adjustments(where=[{"field": "reason", "equals": "theft"}]), "/where", "no inventory.adjusted ever meets this: reason is one of sale, return, restock, correction, loss"),
    (of_adjustments(where=[{"field": "on_hand", "below": 0}]), "/where", "on_hand is at least 0"),
    (of_adjustments(where=[{"field": "on_hand", "present": False}]), "/where", "on_hand is at least 0"),
    (of_adjustments(where=[{"field": "product_id", "present": False}]), "/where", "product_id is always there"),
    (of_adjustments(where=[{"not": [{"field": "product_id", "present": True}]}]), "/where", "product_id is always there"),
    (of_adjustments(where=[{"any": [{"field": "reason", "in": ["theft"]}, {"field": "on_hand", "atMost": -1}]}]), "/where", "no inventory.adjusted ever meets this"),
    (of_adjustments(where=[{"all": [{"field": "reason", "like": "THEFT*"}]}]), "/where", "reason is one of sale"),
    (where({"field": "total_amount", "above": 5}, {"field": "total_amount", "below": 5}), "/where", "no order.created ever meets this"),
    (where({"field": "order_id", "equals": "a"}, {"field": "order_id", "equals": "b"}), "/where", "the conditions on order_id exclude each other"),
    (where({"field": "event_type", "equals": "order.create"}), "/where", "event_type is order.created; change"),
    (where({"field": "user", "equals": "a"}), "/where/0/field", "has no field user; did you mean user_id?"),
    (where({"field": "meta_shipping_address_city", "startsWith": "B"}), "/where", "whether it is there"),
    (where({"field": "meta_shipping_address_city", "equals": "Bonn"}), "/where", "whether it is there"),
    (add(where=[{"field": "total_amount", "below": -1}]), "/measures/2/where", "total_amount is at least 0"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "pointer", "sentence"), REFUSED)
def test_what_is_refused(
    edit: Callable[[dict[str, Any]], Any], pointer: str, sentence: str, compiled: Callable[..., Aggregate]
) -> None:
    with pytest.raises(ContractError) as error:
        compiled(edit)
    problems = {(one.pointer, one.sentence) for one in error.value.problems}
    assert any(at == pointer and sentence in text for at, text in problems), problems


def test_floats_are_not_added(compiled: Callable[..., Aggregate]) -> None:
    def edit(of: dict[str, Any]) -> None:
        of.update(
            events=["campaign.pacing_recorded"],
            keys={},
            measures=[{**MEASURE, "measure": "mean", "of": "pacing_ratio"}],
        )

    with pytest.raises(ContractError, match="floats have another sum; declare it as a decimal"):
        compiled(edit)


def test_conditions_that_may_hold_are_taken(compiled: Callable[..., Aggregate]) -> None:
    compiled(
        where(
            {"field": "total_amount", "above": 0},
            {"field": "currency", "in": ["EUR", "USD"]},
            {"any": [{"field": "currency", "equals": "CHF"}, {"field": "currency", "equals": "EUR"}]},
            {"not": [{"field": "session_id", "present": True}]},
            {"all": [{"field": "currency", "like": "E*"}, {"field": "event_time", "hour": [1, 2]}]},
        )
    )


def test_a_field_that_has_gone_is_named_with_the_version_that_had_it(
    folder: Path, contracts: Sequence[Contract], compiled: Callable[..., Aggregate]
) -> None:
    (order,) = (one for one in contracts if one.event_type == "order.created")
    shutil.copytree(SCHEMAS / "published/order.created", folder / "published/order.created")
    payload = order.data_schema["properties"]["payload"]
    fewer = {name: part for name, part in payload["properties"].items() if name != "totalAmount"}
    parts = {**order.data_schema["properties"], "payload": {**payload, "properties": fewer}}
    newer = replace(order, version="1.3.0", data_schema={**order.data_schema, "properties": parts})
    (folder / FOLDER / "orders.yaml").write_text(TEXT)
    with pytest.raises(
        ContractError, match=r"order\.created 1\.3\.0 has no field total_amount, which 1\.2\.0 had"
    ):
        compile_aggregates(folder, [newer])
    # A newer major beside the old one says so, too.
    second = replace(newer, version="2.0.0")
    with pytest.raises(ContractError, match=r"2\.0\.0 has no field total_amount, which 1\.2\.0 had"):
        compile_aggregates(folder, [order, second])


def test_a_changed_definition_needs_a_new_version(
    folder: Path, contracts: Sequence[Contract], compiled: Callable[..., Aggregate]
) -> None:
    compiled()
    assert "orders@1.0.0" in (folder / FOLDER / pins.FILE).read_text()
    # What is said of it may change, and how long it is kept.
    compiled(lambda of: of.update(description="Orders of people.", owner="x", window="1h", retention="30d"))
    for edit in (
        lambda of: of.update(keys={}),
        lambda of: of.update(lateness="1d"),
        lambda of: of["measures"].pop(),
        where({"field": "total_amount", "above": 1}),
    ):
        with pytest.raises(
            ContractError, match=r"changed since orders@1\.0\.0 was pinned; give it a new version"
        ):
            compiled(edit)
    assert compiled(lambda of: of.update(keys={}, version="2.0.0")).keys == ()


def test_one_that_nobody_has_pinned_is_refused(folder: Path, contracts: Sequence[Contract]) -> None:
    (folder / FOLDER / "orders.yaml").write_text(TEXT)
    with pytest.raises(
        ContractError, match=re.escape("orders@1.0.0 is not pinned: run millrace contracts build")
    ):
        compile_aggregates(folder, contracts)


def test_those_of_the_repository_compile_and_can_be_folded(contracts: Sequence[Contract]) -> None:
    found = [Aggregate.from_json(one) for one in compile_aggregates(SCHEMAS, contracts)]
    known = {one.event_type: fields(one) for one in contracts}
    types = {name: {column: of.type for column, of in parts.items()} for name, parts in known.items()}
    Fold(found, types)
    for one in found:
        assert all(measure.kind in measures.KINDS for measure in one.measures)


def test_what_answers_are_made_of_may_not_go() -> None:
    old = yaml.safe_load(TEXT)
    new = {
        **old,
        "version": "2.0.0",
        "where": [{"field": "total_amount", "above": 1}],
        "keys": {"customer": "user_id"},
        "measures": [{"name": "orders", "measure": "distinct", "of": "order_id"}, MEASURE],
    }
    found = [*gate_aggregates({"aggregates/orders.yaml": old}, {"aggregates/orders.yaml": new})]
    assert {(one.contract, one.pointer, one.kind) for one in found} == {
        ("aggregates.orders", "/keys/user", "removed"),
        ("aggregates.orders", "/keys/customer", "redefined"),
        ("aggregates.orders", "/measures/orders", "retyped"),
        ("aggregates.orders", "/measures/revenue", "removed"),
    }
    (gone,) = gate_aggregates({"aggregates/orders.yaml": old}, {})
    assert (gone.pointer, gone.kind) == ("", "removed")
    steps = {"name": "x", "measure": "funnel", "of": "session_id", "steps": ["a.b", "c.d"]}
    ratio = {"name": "y", "derive": "ratio", "of": "revenue", "by": "orders"}
    known = {**old, "measures": [*old["measures"], steps], "derived": [ratio]}
    other = {**known, "measures": [*old["measures"], {**steps, "steps": ["c.d", "a.b"]}], "derived": []}
    assert [(one.pointer, one.kind) for one in gate_aggregates({"x": known}, {"x": other})] == [
        ("/measures/x", "redefined"),
        ("/measures/y", "removed"),
    ]
    more = {**old, "version": "1.1.0", "measures": [*old["measures"], MEASURE]}
    assert not [*gate_aggregates({"aggregates/orders.yaml": old}, {"aggregates/orders.yaml": more})]


def test_what_is_deployed_says_which_aggregates_there_are(
    contracts: Sequence[Contract],
) -> None:
    known = deployed.unpack(deployed.pack(deployed.of(SCHEMAS)))
    assert known.aggregates.keys() == {
        f"aggregates/{path.name}" for path in (SCHEMAS / FOLDER).glob("*.yaml")
    }
    assert "aggregates/events_by_type@1.0.0" in known.pins
