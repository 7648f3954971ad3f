"""From `schemas/features/*.yaml` to feature views.

`schemas/features/SHA256SUMS` pins what each version of each view means: a changed definition under a version that is committed
or deployed is refused. `millrace contracts build` pins what is new.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from millrace.compiler import feature_definition, pins
from millrace.compiler.definitions import Definitions, check_pins
from millrace.compiler.feature_definition import ViewDefinition
from millrace.compiler.sentences import meant
from millrace.compiler.table_contracts import lake_tables
from millrace.contracts.column_types import Scalar
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.tables import LakeTable
from millrace.features import evaluate, expression
from millrace.features.views import USER, FeatureViews
from millrace.training import channel
from millrace.training.channel import VIEWS as MODEL_VIEWS

FOLDER = "features"
DEFINITIONS = Definitions(FOLDER, "view", ViewDefinition, feature_definition.MEANINGS)
# Types of which a value is written in one way only.
_LATEST = {"string": "string", "int": "long", "long": "long"}
_KEYS = ("string", "int", "long")
# Table → column → its type in a word.
Tables = Mapping[str, Mapping[str, str]]


def compile_views(
    schemas_dir: Path, tables: Iterable[LakeTable] | None = None, *, pinned: bool = True
) -> list[dict[str, Any]]:
    """Every view by name, as `FeatureView` takes it.

    Args:
        schemas_dir: the folder with `features/`.
        tables: that views may read; without them those whose contracts lie in the folder.
        pinned: whether each view must be the one that its version has pinned.

    Raises:
        ContractError: with every problem of every file.
    """
    views, problems = DEFINITIONS.read(schemas_dir)
    unread = bool(problems)
    listed = [*(lake_tables(schemas_dir) if tables is None and views else tables or ())]
    columns, users = _columns(listed), {table.full_name: table.users for table in listed}
    documents = {file: _document(view, columns) for file, view in views.items()}
    names = {one["name"]: _kinds(one) for one in documents.values()}
    for file, view in views.items():
        problems += [ContractProblem(file, *one) for one in feature_definition.problems(view)]
        problems += [ContractProblem(file, *one) for one in _source_problems(view, columns)]
        problems += [ContractProblem(file, *one) for one in _expression_problems(view, names, unread=unread)]
        problems += [ContractProblem(file, *one) for one in _entity_problems(view, views.values())]
        problems += [ContractProblem(file, *one) for one in _user_problems(view, users)]
    if problems:
        raise ContractError(problems)
    if pinned:
        check_pins({file: _pinned(one) for file, one in documents.items()}, schemas_dir / FOLDER)
    online = _online(views.values())
    return [
        {**one, "online": one["name"] in online}
        for one in sorted(documents.values(), key=lambda one: str(one["name"]))
    ]


def compile_services(views: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The features of each model whose views are among these, by the model's name."""
    if {one["name"] for one in views}.issuperset(MODEL_VIEWS):
        return {channel.MODEL: channel.features(FeatureViews.from_json({"views": views}))}
    return {}


def pin(schemas_dir: Path, kept: Container[str] | None = None) -> list[str]:
    """Pins the versions that are new or still being written, and returns their names.

    Args:
        schemas_dir: the folder with `features/`.
        kept: versions whose pins stay, such as `features/customer_orders@1`; by default all that are pinned.

    Raises:
        ContractError: a view is wrong, or has changed under a version whose pin stays.
    """
    added = pins.pin(map(_pinned, compile_views(schemas_dir, pinned=False)), schemas_dir / FOLDER, kept)
    compile_views(schemas_dir)
    return added


def _document(view: ViewDefinition, tables: Tables) -> dict[str, Any]:
    meaning = feature_definition.written_out(view)
    digest = pins.digest(meaning)
    descriptions = {
        one["name"]: feature.description
        for group in view.sources
        for feature in group.features
        for one in feature_definition.expanded(feature)
    }
    for group in meaning["groups"]:
        columns = tables.get(group["table"], {})
        for one in group["features"]:
            one["description"] = descriptions[one["name"]]
            # The newest text is a text, and the newest whole number is whole.
            if one["aggregate"] == "latest":
                one["kind"] = _LATEST.get(columns.get(one["column"], ""), one["kind"])
    for one, derived in zip(meaning["derived"], view.derived, strict=True):
        one["description"] = derived.description
    return {
        **meaning,
        "version": view.version,
        "digest": digest,
        "description": view.description,
        "owner": view.owner,
        "ttl_us": feature_definition.microseconds(view.ttl),
    }


def _online(views: Iterable[ViewDefinition]) -> set[str]:
    """The views that say so, those that models are trained on, and those that their derived features read."""
    by_name = {view.name: view for view in views}
    online = {name for name, view in by_name.items() if view.online or name in MODEL_VIEWS}
    for name in tuple(online):
        for one in by_name[name].derived:
            online |= {read.partition(".")[0] for read in expression.names(one.expression)} & by_name.keys()
    return online


def _entity_problems(view: ViewDefinition, views: Iterable[ViewDefinition]) -> Iterator[tuple[str, str]]:
    """Views of one entity share a row, so they must have one key."""
    own = view.entity
    for other in views:
        if own and other.entity and own.name == other.entity.name and own.key != other.entity.key:
            yield "/entity/key", f"the key of a {own.name} is {other.entity.key} in {other.name}"


def _user_problems(view: ViewDefinition, users: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, str]]:
    """Silver has numbers in place of users' ids, and the API finds the number of an entity that is called `user`."""
    for group in view.sources:
        if view.entity and view.entity.name != USER and group.key in users.get(group.table, ()):
            sentence = f"{group.key} of {group.table} holds users: call the entity {USER}, so that it is found by their ids"
            yield "/entity/name", sentence
            return


def _kinds(document: Mapping[str, Any]) -> dict[str, str]:
    return {one["name"]: one["kind"] for group in document["groups"] for one in group["features"]}


def _columns(tables: Iterable[LakeTable]) -> Tables:
    return {
        table.full_name: {
            column.name: column.type.name if isinstance(column.type, Scalar) else "nested"
            for column in table.columns
        }
        for table in tables
    }


def _source_problems(view: ViewDefinition, tables: Tables) -> Iterator[tuple[str, str]]:
    for index, group in enumerate(view.sources):
        at = f"/sources/{index}"
        columns = tables.get(group.table)
        if columns is None:
            yield f"{at}/table", f"there is no table {group.table}{meant(group.table, tables)}"
            continue
        named = [("/key", group.key), ("/timestamp", group.timestamp)]
        named += [("/newest_by", column) for column in group.newest_by]
        named += [("/filter", name) for name in _read_by(group.filter)]
        for place, feature in enumerate(group.features):
            if feature.column is not None:
                named.append((f"/features/{place}/column", feature.column))
                sentence = feature_definition.column_problem(feature, columns.get(feature.column, ""))
                if sentence and feature.column in columns:
                    yield f"{at}/features/{place}/column", sentence
        for pointer, column in named:
            if column not in columns:
                yield (
                    f"{at}{pointer}",
                    f"{group.table} has no column {column}{meant(column, columns, listed=True)}",
                )
        if columns.get(group.key, "string") not in _KEYS:
            yield f"{at}/key", f"{group.key} is {columns[group.key]}, and a key is a text or a whole number"
        if columns.get(group.timestamp, "timestamptz") != "timestamptz":
            yield f"{at}/timestamp", f"{group.timestamp} is not a moment"


def _read_by(filter_: str | None) -> tuple[str, ...]:
    """The columns that a filter reads; what is not an expression reads itself, so that it is named as missing."""
    try:
        return expression.names(filter_) if filter_ is not None else ()
    except expression.ExpressionError:
        return (str(filter_),)


def _expression_problems(
    view: ViewDefinition, names: Mapping[str, Mapping[str, str]], *, unread: bool
) -> Iterator[tuple[str, str]]:
    """What is wrong with derived features; `unread`: views that did not read may have what is missed here."""
    for index, one in enumerate(view.derived):
        at = f"/derived/{index}/expression"
        try:
            read = expression.names(one.expression)
        except expression.ExpressionError as error:
            yield at, str(error)
            continue
        for name in read:
            owner, _, feature = name.rpartition(".")
            if owner == expression.REQUEST:
                if feature not in view.request:
                    yield (
                        at,
                        f"the request has no {feature}; `request` lists what it has{meant(feature, view.request)}",
                    )
            elif unread and owner not in names:
                continue
            elif name != expression.MOMENT and feature not in names.get(owner, {}):
                known = [f"{owner}.{feature}" for owner, kinds in names.items() for feature in kinds]
                yield at, f"there is no feature {name}{meant(name, known)}"
            elif name != expression.MOMENT and names[owner][feature] == "string":
                yield at, f"{name} is a text, and a derived feature is made of numbers"
        try:
            evaluate.check(one.expression)
        except expression.ExpressionError as error:
            yield at, str(error)


def _pinned(document: Mapping[str, Any]) -> pins.Pinned:
    return document["name"], document["version"], document["digest"]
