"""Nobody gives a right that they lack."""

import pytest

from millrace.access.actions import ACTIONS, ALL_DATASETS, LAYERS, PUBLIC
from millrace.access.giving import beyond, refusal

ALL_LAYERS = {f"dataset:{layer}.*" for layer in LAYERS}


@pytest.mark.parametrize(
    ("held", "asked", "lacking"),
    [
        ({"events:read"}, ["events:read"], []),
        ({"events:read"}, ["events:write", "events:read"], ["events:write"]),
        (set(), ["keys:write"], ["keys:write"]),
        ({"events:write"}, [PUBLIC], []),
        ({"events:read"}, [PUBLIC], [PUBLIC]),
        ({"dataset:gold.*"}, ["dataset:gold.orders", "own:gold.orders", "own:gold.*"], []),
        ({"dataset:gold.*"}, ["dataset:silver.orders", "dataset:*"], ["dataset:*", "dataset:silver.orders"]),
        ({"dataset:gold.orders"}, ["dataset:gold.*"], ["dataset:gold.*"]),
        ({"own:silver.*"}, ["dataset:silver.orders", "own:silver.x"], ["dataset:silver.orders"]),
        (ALL_LAYERS, [ALL_DATASETS, "own:*", "dataset:marts.x"], []),
        (ALL_LAYERS - {"dataset:raw.*"}, [ALL_DATASETS], [ALL_DATASETS]),
        ({ALL_DATASETS}, ["dataset:marts.x", "own:marts.x"], []),
        ({"personal:read"}, ["personal:detokenise", "made:up"], ["made:up", "personal:detokenise"]),
    ],
)
def test_what_is_beyond_the_giver(held: set[str], asked: list[str], lacking: list[str]) -> None:
    assert beyond(held, asked) == lacking


def test_everything_gives_everything_and_nothing_gives_nothing() -> None:
    assert beyond(ACTIONS, ACTIONS) == []
    assert beyond((), ACTIONS) == sorted(ACTIONS)


ADMIN_RIGHTS = ("keys:write", "users:write")


@pytest.mark.parametrize(
    ("kind", "roles", "held", "asked", "says"),
    [
        ("user", ["tenant-admin"], (), {"tenant-admin": ADMIN_RIGHTS, "auditor": ["audit:read"]}, None),
        ("key", ["tenant-admin"], (), {"auditor": ["audit:read"]}, "lacks its rights: audit:read"),
        ("key", [], ACTIONS, {"auditor": ["audit:read"]}, None),
        (
            "key",
            [],
            ACTIONS,
            {"auditor": ["audit:read"], "tenant-admin": ADMIN_RIGHTS},
            "by users who have it",
        ),
        ("key", ["tenant-admin"], ACTIONS, {"tenant-admin": ADMIN_RIGHTS}, "by users who have it"),
        ("user", ["team-lead"], ACTIONS, {"tenant-admin": ADMIN_RIGHTS}, "by users who have it"),
        (
            "user",
            ["team-lead"],
            ("users:write",),
            {"auditor": ["audit:read"]},
            "lacks its rights: audit:read",
        ),
    ],
)
def test_who_gives_which_role(
    kind: str, roles: list[str], held: list[str], asked: dict[str, list[str]], says: str | None
) -> None:
    sentence = refusal(kind, roles, held, asked)
    assert (sentence is None) == (says is None)
    assert says is None or says in str(sentence)
