"""From a declaration to statements: every verb has its actions, every prefix its reason, and what cannot be is refused."""

from collections.abc import Iterator

import pytest
from aws_cdk import App, Stack
from constructs import Construct

from millrace.core.uses import AUDIT, CATALOG, EVENTS, LAKE, LOG, TENANT_KEY, Resource, Use, rights
from stacks.application import new_app
from stacks.constructs.grants import ACTIONS, PREFIX_REASONS, deployed, grant
from stacks.constructs.platform_function import settings_model
from stacks.constructs.platform_role import PlatformRole
from stacks.environment import ENVIRONMENTS
from stacks.storage import StorageStack
from tests.support.templates import stems


@pytest.fixture
def storage() -> StorageStack:
    return StorageStack(new_app(), "storage", settings=ENVIRONMENTS["local"])


@pytest.fixture
def role(storage: StorageStack) -> PlatformRole:
    app = storage.node.scope
    assert isinstance(app, App)
    return PlatformRole(Stack(app, "other"), "lambda")


def every_use() -> Iterator[tuple[str, Use]]:
    for stem in stems():
        model = settings_model(stem)
        for use in (
            *model.also_uses,
            *(use for several in model.declared_uses().values() for use in several),
        ):
            yield stem, use


def test_every_verb_that_is_declared_is_known_and_none_is_left_over() -> None:
    declared = {(use.resource.kind, use.verb) for _, use in every_use()}
    assert declared == {(kind, verb) for kind, verbs in ACTIONS.items() for verb in verbs}


def test_a_row_of_events_is_added_and_never_changed_or_deleted() -> None:
    """What its missing recovery to a point in time rests on (docs/adr/0036-what-is-kept-how-long.md): only expiry takes a row away."""
    verbs = {use.verb for _, use in every_use() if use.resource == EVENTS}
    assert "put" in verbs
    assert not verbs & {"update", "delete", "write_all"}


def test_no_action_is_in_two_verbs_of_a_kind_but_what_capture_needs() -> None:
    for verbs in ACTIONS.values():
        actions = [action for verb, several in verbs.items() if verb != "capture" for action in several]
        assert len(actions) == len(set(actions))
        assert not [action for action in actions if "*" in action]


def test_every_prefix_has_its_reason_and_no_reason_is_left_over() -> None:
    prefixes = {use.part for _, use in every_use() if use.resource in (AUDIT, LAKE) and use.part}
    for prefix in prefixes:
        assert prefix.endswith("/"), prefix
        assert any(prefix.startswith(one) for one in PREFIX_REASONS), prefix
    for known in PREFIX_REASONS:
        assert any(prefix.startswith(known) for prefix in prefixes), known


def test_a_field_names_one_resource() -> None:
    for stem in stems():
        for field, several in settings_model(stem).declared_uses().items():
            assert len({use.resource for use in several}) == 1, (stem, field)


def test_a_setting_that_names_a_place_declares_what_is_done_there() -> None:
    named = (
        "_table",
        "_bucket",
        "_bus",
        "_queue_url",
        "_machine",
        "_stream_arn",
        "tenant_key_id",
        "signing_key_id",
        "user_pool_id",
    )
    for stem in stems():
        model = settings_model(stem)
        places = {field for field in model.names() if field.endswith(named)}
        assert places == set(model.declared_uses()), stem


@pytest.mark.parametrize(
    ("use", "error", "words"),
    [
        (Use(EVENTS, "query", "no-such-index"), ValueError, "is no index"),
        (Use(LOG, "put", "shard"), ValueError, "is no index"),
        (Use(LAKE, "read"), ValueError, "by prefix"),
        (Use(LAKE, "list", "raw/"), ValueError, "as a whole"),
        (Use(LAKE, "read", "elsewhere/"), KeyError, "elsewhere/"),
        (Use(EVENTS, "scan"), KeyError, "scan"),
        (Use(Resource("table", "Nowhere"), "get"), KeyError, "Nowhere"),
    ],
)
def test_what_cannot_be_is_refused(
    storage: StorageStack, role: PlatformRole, use: Use, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        grant(role, [use], storage=storage, resources=deployed(storage))


def statements(role: PlatformRole) -> list[dict[str, object]]:
    """What a role's policies allow."""
    found = []
    for construct in role.node.find_all():
        document = getattr(construct, "document", None)
        if document is not None:
            found += Stack.of(role).resolve(document.to_json())["Statement"]
    return found


def test_the_data_key_comes_with_data_and_with_nothing_else(
    storage: StorageStack, role: PlatformRole
) -> None:
    quiet = (*rights(TENANT_KEY, "decrypt"), *rights(CATALOG, read=("silver",)), *rights(EVENTS, "capture"))
    grant(role, quiet, storage=storage, resources=deployed(storage))
    assert not [one for one in statements(role) if "Condition" in one]
    grant(role, rights(EVENTS, "get"), storage=storage, resources=deployed(storage))
    (through,) = [one for one in statements(role) if "Condition" in one]
    assert "kms:Decrypt" in str(through["Action"])


def test_whoever_reads_by_prefix_may_list_there_and_whoever_lists_the_whole_needs_no_more(
    storage: StorageStack, role: PlatformRole
) -> None:
    grant(
        role,
        rights(LAKE, read=("raw/", "runs/"), write=("models/",)),
        storage=storage,
        resources=deployed(storage),
    )
    (lists,) = [one for one in statements(role) if one["Action"] == "s3:ListBucket"]
    assert lists["Condition"] == {"StringLike": {"s3:prefix": ["raw/*", "runs/*"]}}
    whole = PlatformRole(Construct(role, "Other"), "lambda")
    grant(whole, rights(LAKE, "list", read=("raw/",)), storage=storage, resources=deployed(storage))
    (lists,) = [one for one in statements(whole) if one["Action"] == "s3:ListBucket"]
    assert "Condition" not in lists


def test_a_wildcard_needs_its_reason(role: PlatformRole) -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        role.allow("s3:GetObject", on=["arn:aws:s3:::lake/*"])
    with pytest.raises(ValueError, match="needs a reason"):
        role.allow("s3:*", on=["arn:aws:s3:::lake"])
