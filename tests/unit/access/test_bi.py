"""Sessions for BI: the tables of a role, the tenant's own workgroup and results, and nothing besides."""

import json

import pytest

from millrace.access import bi
from millrace.access.actions import LAYERS

ACCOUNT = "111122223333"


def policy(named: list[tuple[str, str]], org: str = "org_acme") -> str:
    return bi.session_policy("prod", org, account=ACCOUNT, bucket="lake", named=named)


@pytest.mark.parametrize(
    ("scopes", "named"),
    [
        ([], []),
        (["query:run", "events:read", "own:silver.*"], []),
        (["dataset:marts.*", "dataset:marts.orders"], [("marts", "*")]),
        (["dataset:gold.a", "dataset:marts.b"], [("gold", "a"), ("marts", "b")]),
        # Views of another engine, and documents.
        (["dataset:staging.*", "dataset:raw.*", "dataset:raw.events"], []),
        (["dataset:*"], []),
    ],
)
def test_tables_are_those_that_athena_has(scopes: list[str], named: list[tuple[str, str]]) -> None:
    assert bi.tables(scopes) == named


def test_a_session_names_its_tables_its_workgroup_and_its_results() -> None:
    statements = json.loads(policy([("gold", "a"), ("marts", "*")]))["Statement"]
    assert all(one["Effect"] == "Allow" for one in statements)
    on = {resource for one in statements for resource in one["Resource"]}
    assert on == {
        f"arn:aws:athena:*:{ACCOUNT}:workgroup/millrace-prod-bi-org_acme",
        f"arn:aws:glue:*:{ACCOUNT}:catalog",
        f"arn:aws:glue:*:{ACCOUNT}:database/millrace_prod_gold",
        f"arn:aws:glue:*:{ACCOUNT}:database/millrace_prod_marts",
        f"arn:aws:glue:*:{ACCOUNT}:table/millrace_prod_gold/a",
        f"arn:aws:glue:*:{ACCOUNT}:table/millrace_prod_marts/*",
        "*",
        "arn:aws:s3:::lake/athena-results/org_acme/*",
    }
    everywhere = [one["Action"] for one in statements if one["Resource"] == ["*"]]
    assert everywhere == [["lakeformation:GetDataAccess"]]
    assert not any("*" in action for one in statements for action in one["Action"])


def test_all_layers_fit_and_hundreds_of_tables_do_not() -> None:
    longest = "o" * 63
    named = bi.tables([f"dataset:{layer}.*" for layer in LAYERS])
    assert len(named) == len(bi.LAYERS)
    assert len(policy(named, longest)) <= bi.MOST_CHARACTERS
    with pytest.raises(bi.TooManyTablesError):
        policy([("marts", f"table_{number}") for number in range(100)])


def test_a_role_has_a_name_that_aws_takes() -> None:
    assert bi.role_name("prod", "org_acme", "analyst") == "millrace-prod-bi-org_acme-analyst"
    one, two = (bi.role_name("staging", "o" * 63, role) for role in ("analyst", "auditor"))
    assert one != two
    assert {len(one), len(two)} == {64}
    assert one.startswith("millrace-staging-bi-ooo")
