"""Feature views as files: what the build takes and what it refuses."""

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from millrace.compiler import pins
from millrace.compiler.feature_views import FOLDER, compile_views, pin
from millrace.compiler.table_contracts import lake_tables
from millrace.contracts.errors import ContractError
from millrace.contracts.tables import LakeTable
from millrace.features.views import FeatureViews
from millrace.training import channel

SCHEMAS = Path(__file__).parents[3] / "schemas"
VIEW = """
name: buyers
version: 1.0.0
description: What a buyer buys.
owner: tests
entity: {name: user, key: user_id}
sources:
  - table: silver.order_created_v1
    key: user_id
    timestamp: event_time
    delay: 7d
    filter: total_amount > 5
    features:
      - {name: orders, aggregate: count, windows: [1d, 12h, all], description: Orders.}
      - {name: spent, aggregate: sum, column: total_amount, window: 30d, offset: 1d, default: 0, description: Money.}
"""
DERIVED = """
name: asked
version: 1.0.0
description: What is asked.
owner: tests
request: [amount]
derived:
  - {name: ratio, expression: request.amount / buyers.spent, default: 1, description: Ratio.}
"""
Edit = Callable[[str], str]


@pytest.fixture(scope="module")
def tables() -> list[LakeTable]:
    return lake_tables(SCHEMAS)


@pytest.fixture(autouse=True)
def _tables_read_once(monkeypatch: pytest.MonkeyPatch, tables: list[LakeTable]) -> None:
    monkeypatch.setattr("millrace.compiler.feature_views.lake_tables", lambda _: tables)


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "buyers.yaml").write_text(VIEW)
    (tmp_path / FOLDER / "asked.yaml").write_text(DERIVED)
    pin(tmp_path)
    return tmp_path


def refused(schemas: Path, *, pinned: bool = True) -> str:
    with pytest.raises(ContractError) as error:
        compile_views(schemas, pinned=pinned)
    return str(error.value)


def test_a_view_is_written_out(schemas: Path, tmp_path: Path) -> None:
    view = FeatureViews.from_json({"views": compile_views(schemas)}).view("buyers")
    assert view.features == ("orders_1d", "orders_12h", "orders_all", "spent")
    (group,) = view.groups
    assert group.delay_us == 7 * 86_400_000_000
    assert [one.window_us for one in group.features] == [
        86_400_000_000,
        43_200_000_000,
        None,
        30 * 86_400_000_000,
    ]
    assert group.features[3].offset_us == 86_400_000_000
    assert [one.default for one in group.features] == [0, 0, 0, 0]


def test_the_views_of_the_repository_are_pinned_and_have_what_training_reads() -> None:
    views = {one["name"]: one for one in compile_views(SCHEMAS)}
    built = FeatureViews.from_json({"views": views.values()})
    assert {"lifetime_value", "order_count", "transaction_count_30d"} <= set(
        built.view("user_features").features
    )
    assert "fraud_share_7d" in built.view("merchant_features").features
    assert "category" in built.view("product_features").features
    assert {group.delay_us for group in built.view("merchant_features").groups} == {7 * 86_400_000_000}


def test_views_are_online_that_say_so_or_that_such_views_or_models_read(schemas: Path) -> None:
    def online() -> dict[str, bool]:
        return {one["name"]: one["online"] for one in compile_views(schemas)}

    assert online() == {"asked": False, "buyers": False}
    # It changes no value, and needs no new version.
    (schemas / FOLDER / "asked.yaml").write_text(DERIVED + "online: true\n")
    assert online() == {"asked": True, "buyers": True}
    (schemas / FOLDER / "asked.yaml").write_text(DERIVED)
    (schemas / FOLDER / "buyers.yaml").write_text(VIEW + "online: true\n")
    assert online() == {"asked": False, "buyers": True}
    # The repository's: what the fraud model is trained on, what that reads, and the one that says so.
    built = FeatureViews.from_json({"views": compile_views(SCHEMAS)})
    assert set(channel.VIEWS) <= {name for name in built.names() if built.view(name).online}
    says = {
        name
        for name in built.names()
        if "\nonline: true\n" in (SCHEMAS / FOLDER / f"{name}.yaml").read_text()
    }
    assert says == {"product_features"}
    assert {one.name: [view.name for view in one.views] for one in built.online()} == {
        "merchant": ["merchant_features", "merchant_risk"],
        "product": ["product_features"],
        "user": ["user_features", "user_spending"],
    }


def test_views_of_one_entity_have_one_key(schemas: Path) -> None:
    other = VIEW.replace("name: buyers", "name: sellers").replace("key: user_id}", "key: seller_id}")
    (schemas / FOLDER / "sellers.yaml").write_text(other)
    assert "the key of a user is seller_id in sellers" in refused(schemas, pinned=False)


@pytest.mark.parametrize("key", ["user_id", "user_key"])
def test_whoever_is_a_user_in_silver_is_one_in_a_view(schemas: Path, key: str) -> None:
    text = VIEW.replace("{name: user, key: user_id}", "{name: buyer, key: buyer}").replace(
        "    key: user_id", f"    key: {key}"
    )
    (schemas / FOLDER / "buyers.yaml").write_text(text)
    assert f"{key} of silver.order_created_v1 holds users: call the entity user" in refused(
        schemas, pinned=False
    )


def test_no_view_reads_a_label_before_it_is_known() -> None:
    for document in compile_views(SCHEMAS):
        for group in document["groups"]:
            columns = {one["column"] for one in group["features"]}
            if "is_fraud" in columns or "is_fraud" in (group["filter"] or ""):
                assert group["delay_us"] >= 7 * 86_400_000_000, document["name"]


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda text: text.replace("column: total_amount", "column: totals"), "has no column totals"),
        (lambda text: text.replace("column: total_amount", "column: currency"), "sum needs a number, and currency is string"),
        (lambda text: text.replace("key: user_id\n", "key: nobody\n"), "has no column nobody"),
        (lambda text: text.replace("key: user_id\n", "key: total_amount\n"), "total_amount is decimal, and a key is a text"),
        (lambda text: text.replace("timestamp: event_time", "timestamp: order_id"), "order_id is not a moment"),
        (lambda text: text.replace("order_created_v1", "order_created_v9"), "there is no table silver.order_created_v9"),
        (lambda text: text.replace("total_amount > 5", "price > 5"), "has no column price"),
        (lambda text: text.replace("total_amount > 5", "total_amount >"), "has no column total_amount >"),
        (lambda text: text.replace("delay: 7d", "delay: 7 days"), "/sources/0/delay"),
        (lambda text: text.replace("aggregate: sum", "aggregate: median"), "/sources/0/features/1/aggregate"),
        (lambda text: text.replace("name: spent", "name: orders_1d"), "orders_1d stands here twice"),
        (lambda text: text.replace("entity: {name: user, key: user_id}\n", ""), "are of an entity"),
        (lambda text: text.replace("owner: tests\n", ""), "/owner"),
        (lambda text: text.replace("name: buyers", "name: sellers"), "lies in sellers.yaml"),
        (lambda text: text.replace("name: user,", "name: fraud,"), "fraud is not a name for an entity"),
        (lambda text: text.replace("owner: tests\n", "owner: tests\nttl: soon\n"), "/ttl"),
        (lambda text: text.replace("owner: tests\n", "owner: tests\nonline: maybe\n"), "/online"),
        (lambda text: text + "surprise: 1\n", "/surprise"),
        (lambda text: text.replace("default: 0", "default: none"), "a text can stand for no number"),
        (lambda text: text.replace("windows:", "window: 1d, windows:"), "either one window or many"),
    ],
)  # fmt: skip
def test_a_wrong_view_is_refused_with_its_place(schemas: Path, edit: Edit, says: str) -> None:
    (schemas / FOLDER / "buyers.yaml").write_text(edit(VIEW))
    assert says in refused(schemas, pinned=False)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("buyers.nothing + 1", "there is no feature buyers.nothing"),
        ("sellers.spent", "there is no feature sellers.spent"),
        ("request.device", "the request has no device"),
        ("__import__", "there is no feature __import__"),
        ("open('/etc/passwd')", "nothing that an expression may hold"),
        ("buyers.spent if True else 0", "nothing that an expression may hold"),
        ("1 +", "is not an expression"),
        ("least(1)", "least takes 2 to 8 values"),
        ("buyers.spent > 'much'", "not allowed in a derived feature"),
        ("buyers.spent + (1 > 0)", "1 > 0 is a boolean, and a number is needed"),
        ("not buyers.spent", "buyers.spent is a number, and a boolean is needed"),
        ("coalesce(1 > 0, 1)", "1 is a number, and a boolean is needed"),
        ("hour(buyers.spent)", "buyers.spent is not the moment"),
        ("hour(moment * 2)", "moment * 2 is not the moment"),
        ("1e999 + 1", "inf is not a number"),
        ("buyers.newest + 1", "buyers.newest is a text"),
    ],
)
def test_a_wrong_expression_is_refused(schemas: Path, expression: str, says: str) -> None:
    newest = "      - {name: newest, aggregate: latest, column: currency, description: Its name.}\n"
    (schemas / FOLDER / "buyers.yaml").write_text(VIEW + newest)
    text = DERIVED.replace("request.amount / buyers.spent", orjson.dumps(expression).decode())
    (schemas / FOLDER / "asked.yaml").write_text(text)
    assert says in refused(schemas, pinned=False)


def test_a_changed_definition_needs_a_new_version(schemas: Path) -> None:
    changed = VIEW.replace("window: 30d", "window: 60d")
    (schemas / FOLDER / "buyers.yaml").write_text(changed)
    assert "changed since buyers@1.0.0 was pinned; give it a new version" in refused(schemas)
    with pytest.raises(ContractError, match="give it a new version"):
        pin(schemas)
    (schemas / FOLDER / "buyers.yaml").write_text(changed.replace("1.0.0", "1.1.0"))
    assert "buyers@1.1.0 is not pinned" in refused(schemas)
    assert pin(schemas) == ["buyers@1.1.0"]
    assert [one["version"] for one in compile_views(schemas)] == ["1.0.0", "1.1.0"]
    # What the old version meant stays written down.
    assert "buyers@1.0.0" in (schemas / FOLDER / pins.FILE).read_text()


def test_the_pin_of_a_version_that_nobody_has_follows_its_definition(schemas: Path) -> None:
    (schemas / FOLDER / "buyers.yaml").write_text(VIEW.replace("window: 30d", "window: 60d"))
    with pytest.raises(ContractError, match="give it a new version"):
        pin(schemas, {"features/buyers@1.0.0"})
    assert pin(schemas, set()) == ["buyers@1.0.0"]
    assert pin(schemas, set()) == []
    compile_views(schemas)


def test_words_about_a_view_are_no_change_of_it(schemas: Path) -> None:
    (schemas / FOLDER / "buyers.yaml").write_text(VIEW.replace("What a buyer buys.", "Otherwise said."))
    assert {one["description"] for one in compile_views(schemas)} >= {"Otherwise said."}


def test_a_folder_without_views_has_none(schemas: Path) -> None:
    shutil.rmtree(schemas / FOLDER)
    assert compile_views(schemas) == []
