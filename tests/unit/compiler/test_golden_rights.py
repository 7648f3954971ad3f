"""Who may what is one table, and the policies, the routes, SQL and Lake Formation agree on all of it."""

import csv
from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from cli import rights_tables
from millrace.access import visibility
from millrace.access.actions import ACTIONS, LAYERS
from millrace.access.policies import rights
from millrace.api.router import Router
from millrace.compiler import api_document, golden_rights, lake_formation
from millrace.compiler.golden_rights import COLUMNS, GOLDEN, PEOPLE, RIGHTS, Dataset
from millrace.compiler.table_contracts import compile_tables
from millrace.contracts.columns import duckdb_type
from millrace.contracts.tables import LakeTable, silver_table
from millrace.core.http import ANY, AWS
from millrace.queries import masks
from millrace.queries.reader import Reader
from tests.support.callers import Person
from tests.support.contracts import FILES, SCHEMAS, compiled
from tests.support.openapi import DOCUMENT
from tests.support.policies import in_force

ROUTES = api_document.routes(DOCUMENT)


@cache
def found() -> list[Dataset]:
    return rights_tables.lake(SCHEMAS.parent)


@cache
def golden(name: str) -> list[dict[str, str]]:
    return golden_rights.read(SCHEMAS / GOLDEN / name)


@cache
def reader(role: str, org: str = "org_acme") -> Reader:
    one = golden_rights.person(role)
    return Reader(org, role, rights(one, policies=in_force()), owner=one.id)


def lines() -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Role, dataset and a line of the table for each role and line."""
    for line in golden(COLUMNS):
        for role in PEOPLE:
            yield role, line["dataset"], line


def test_the_tables_are_what_the_policies_say() -> None:
    """After a change: `millrace contracts rights`, and a review of what is another in them."""
    made = (
        (RIGHTS, golden_rights.rights_table(in_force())),
        (COLUMNS, golden_rights.columns_table(found(), in_force())),
    )
    for name, table in made:
        assert (SCHEMAS / GOLDEN / name).read_text() == golden_rights.text(table), name


def test_the_tables_have_every_right_role_dataset_and_column() -> None:
    rights_lines, columns = golden(RIGHTS), golden(COLUMNS)
    assert [line["right"] for line in rights_lines] == list(ACTIONS)
    listed = {(line["dataset"], column) for line in columns for column in line["columns"].split()}
    assert listed == {(one.name, column) for one in found() for column in one.classes}
    assert {one.name.partition(".")[0] for one in found()} == set(LAYERS)


def test_what_a_query_shows_is_what_the_table_says() -> None:
    classes = {one.name: one.classes for one in found()}
    contracts = [compiled(path) for path in FILES]
    kinds = {
        (table.full_name, column.name): duckdb_type(column.type)
        for table in described()
        for column in table.columns
    }
    for role, dataset, line in lines():
        who, said = reader(role), line[role]
        own = said.startswith("own rows: ")
        assert visibility.table_access(who, dataset) == (said != "absent" or _shown_elsewhere(role, dataset))
        names = [name for name in line["columns"].split() if name != "*"]
        columns = [(name, kinds.get((dataset, name), "VARCHAR")) for name in names]
        for column in masks.seen(who, dataset, columns, classes[dataset], contracts):
            expected = said.removeprefix("own rows: ")
            if dataset == masks.RAW and column.name in masks.DOCUMENTS:
                # Documents are shown without their protected fields, which only our own SQL can do.
                assert (column.sql is not None) == visibility.table_access(who, dataset)
            elif expected == "clear":
                assert column.sql is not None, (role, dataset, column.name)
                assert column.sql.startswith("CAST("), (role, dataset, column.name)
            elif expected == "token":
                assert column.sql is None or masks.TOKEN in column.sql, (role, dataset, column.name)
                assert (column.sql is None) == (column.type != "VARCHAR")
            else:
                assert column.sql is None, (role, dataset, column.name)
        allowed = visibility.row_filter(who, dataset, ["org_id", "creator_id", *names])
        keys = [name for name, _ in allowed.equals] if allowed else []
        if said != "absent":
            assert keys == (["org_id", "creator_id"] if own else ["org_id"]), (role, dataset)


@cache
def _shown_elsewhere(role: str, dataset: str) -> bool:
    return any(line["dataset"] == dataset and line[role] != "absent" for line in golden(COLUMNS))


def described() -> list[LakeTable]:
    return [*(silver_table(compiled(path)) for path in FILES), *compile_tables(SCHEMAS)]


@pytest.mark.parametrize("role", PEOPLE)
def test_lake_formation_grants_what_the_table_says(role: str) -> None:
    granted = {
        f"{one.layer}.{one.table}": one
        for one in lake_formation.grants(role, "org_acme", found(), in_force(), owner="u_1")
    }
    for line in golden(COLUMNS):
        dataset, said = line["dataset"], line[role].removeprefix("own rows: ")
        if dataset.startswith(("raw.", "staging.")):
            assert dataset not in granted, "these are read through our own function alone"
            continue
        columns = set(line["columns"].split())
        has = set(granted[dataset].columns) & columns if dataset in granted else set()
        owned = line[role].startswith("own rows: ")
        if said == "absent" or (owned and dataset not in granted):
            assert not has, (role, dataset)
        else:
            assert has == columns, (role, dataset)
        if dataset in granted:
            wanted = "org_id = 'org_acme'" + (" AND creator_id = 'u_1'" if owned else "")
            assert granted[dataset].rows == wanted or said == "absent"


def test_a_creator_is_granted_tables_with_an_owner_only() -> None:
    granted = lake_formation.grants("creator", "org_acme", found(), in_force(), owner="o'neil")
    assert {one.layer for one in granted} == {"silver"}
    assert all("creator_id" in one.columns and one.rows.endswith("creator_id = 'o''neil'") for one in granted)
    assert {"asset_created_v1", "payout_requested_v1"} <= {one.table for one in granted}
    assert lake_formation.grants("creator", "org_acme", found(), in_force()) == []


def test_no_role_has_a_protected_value_in_clear() -> None:
    for line in golden(COLUMNS):
        if line["class"] in ("confidential", "restricted"):
            wanted = {"absent"} if line["class"] == "restricted" else {"absent", "token", "own rows: token"}
            assert {line[role] for role in PEOPLE} <= wanted, line


@pytest.mark.parametrize("role", PEOPLE)
def test_every_route_is_open_to_a_role_as_the_table_says(role: str) -> None:
    allowed = {line["right"] for line in golden(RIGHTS) if line[role] == "yes"}
    someone = Person("u_1", (role,)).event("GET /")
    router = Router({route: lambda _: {"reached": True} for route in ROUTES}, print, ROUTES)
    for route, operation in ROUTES.items():
        status = router({**someone, "routeKey": route})["statusCode"]
        expected = operation["right"] in (None, ANY, AWS) or operation["right"] in allowed
        assert (status != 403) == expected, (role, route, status)


def test_no_route_is_without_a_right_but_the_open_ones() -> None:
    without = {route for route, operation in ROUTES.items() if operation["right"] is None}
    functions = {ROUTES[route]["function"] for route in without if route != "GET /v1/health"}
    assert functions <= {"collect", "read_api", "receive_webhooks"}
    assert {operation["right"] for operation in ROUTES.values()} - {None, ANY, AWS} <= set(ACTIONS)
    assert [route for route, operation in ROUTES.items() if operation["right"] == ANY] == ["GET /v1/me"]
    # The gateway asks IAM for it, and our own roles are not looked at.
    assert [route for route, operation in ROUTES.items() if operation["right"] == AWS] == ["POST /v1/token"]


def test_the_tables_are_csv_that_people_read() -> None:
    for name in (RIGHTS, COLUMNS):
        rows = list(csv.reader((SCHEMAS / GOLDEN / name).read_text().splitlines()))
        assert len({len(row) for row in rows}) == 1
