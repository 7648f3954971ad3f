"""From the dbt project `warehouse/` to its compiled form, `millrace.warehouse.project`.

Every transform is rendered, judged (dialect, tenants, lineage, columns against its contract, widths of types), put into its
level; each can be translated for Athena. What a transform reads of staging
travels with it, so that a function needs nothing but the bundle.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import orjson
from sqlglot import exp

from millrace.compiler.sentences import meant
from millrace.compiler.warehouse import dialect
from millrace.compiler.warehouse.column_lineage import Schema, column_lineage
from millrace.compiler.warehouse.descriptions import Descriptions
from millrace.compiler.warehouse.errors import WarehouseError
from millrace.compiler.warehouse.protection import exposed, weaker
from millrace.compiler.warehouse.render import STAGING, Rendered, render
from millrace.compiler.warehouse.shape import Shapes, by_name, differences
from millrace.compiler.warehouse.widths import Widths
from millrace.contracts.columns import duckdb_type
from millrace.contracts.tables import LakeTable, to_json
from millrace.warehouse.project import Lineage, Project, Staging, Transform

# Layer, name, and each column's name and type.
_Columns = tuple[str, str, tuple[tuple[str, str], ...]]


def compile_project(project_dir: Path, tables: Iterable[LakeTable]) -> Project:
    """The project, all transforms in the order of their levels.

    Args:
        project_dir: the folder of dbt_project.yml.
        tables: every table of the lake: silver, and what transforms make.

    Raises:
        WarehouseError: with every problem of every transform.
    """
    descriptions = Descriptions(project_dir)
    try:
        return _Compilation(render(project_dir), by_name(tables)).project(descriptions)
    except WarehouseError as error:
        problems = [*descriptions.problems, *error.problems]
        raise WarehouseError(sorted(dict.fromkeys(problems))) from error


class _Compilation:
    def __init__(self, rendered: Iterable[Rendered], tables: Mapping[str, LakeTable]) -> None:
        self._all = {transform.full_name: transform for transform in rendered}
        self._tables = tables
        self._problems: list[str] = []
        self._queries = {name: query for name, query in map(self._query, self._all.values()) if query}
        self._transforms: dict[str, Transform] = {}

    def project(self, descriptions: Descriptions) -> Project:
        """Everything compiled, or every reason why not."""
        transforms = [transform for transform in self._all.values() if transform.schema != STAGING]
        made = {name for name, table in self._tables.items() if table.layer != "silver"}
        self._problems += [
            f"{name}: its contract has no transform: write warehouse/models/{name.replace('.', '/')}.sql"
            for name in made - self._all.keys()
        ]
        self._problems += [
            f"{m.full_name}: it has no contract: write schemas/tables/{m.schema}/{m.name}.yaml"
            for m in transforms
            if m.full_name not in self._tables
        ]
        self._problems += [
            f"{transform.full_name}: {schema}.{name} is not a table{meant(f'{schema}.{name}', self._tables)}"
            for transform in self._all.values()
            for schema, name in transform.reads
            if f"{schema}.{name}" not in self._all and f"{schema}.{name}" not in self._tables
        ]
        for name, table in self._tables.items():
            self._problems += [f"{name}: {sentence}" for sentence in self._shapes.uncomputable(table)]
        if not self._problems:
            for transform in self._ordered(transforms):
                self._compile(transform)
        descriptions.check(self._columns(), self._tables)
        if self._problems or descriptions.problems:
            raise WarehouseError(self._problems)
        transforms_ = sorted(self._transforms.values(), key=lambda t: (t.level, t.full_name))
        return Project(transforms_, descriptions.exposures)

    def _columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each transform, as far as its SQL names them."""
        selected = {name: tuple(query.named_selects) for name, query in self._queries.items()}
        return {self._all[name].name: columns for name, columns in selected.items() if "*" not in columns}

    @cached_property
    def _shapes(self) -> Shapes:
        return Shapes(self._tables.values())

    @cached_property
    def _widths(self) -> Widths:
        return Widths(self._tables)

    def _query(self, transform: Rendered) -> tuple[str, exp.Query | None]:
        try:
            query, problems = _judged(transform.sql)
        except ValueError as error:
            self._problems.append(f"{transform.full_name}: {error}")
            return transform.full_name, None
        self._problems += [f"{transform.full_name}: {sentence}" for sentence in problems]
        return transform.full_name, query.copy()

    def _ordered(self, transforms: list[Rendered]) -> list[Rendered]:
        """Each transform after those it reads."""
        ordered: dict[str, Rendered] = {}
        waiting = {transform.full_name: transform for transform in transforms}
        while waiting:
            ready = [m for m in waiting.values() if not any(t in waiting for t in self._physical(m))]
            if not ready:
                raise WarehouseError([f"{name}: it reads what is made of it" for name in sorted(waiting)])
            for transform in ready:
                ordered[transform.full_name] = waiting.pop(transform.full_name)
        return list(ordered.values())

    def _views(self, transform: Rendered) -> list[Rendered]:
        """The staging views of a transform, each after those it reads itself."""
        views: dict[str, Rendered] = {}
        for schema, name in transform.reads:
            if schema == STAGING and f"{schema}.{name}" != transform.full_name:
                view = self._all[f"{schema}.{name}"]
                views |= {below.full_name: below for below in self._views(view)}
                views[view.full_name] = view
        return list(views.values())

    def _physical(self, transform: Rendered) -> tuple[str, ...]:
        """The tables that a transform reads, through its views."""
        parts = [*self._views(transform), transform]
        return tuple(sorted({f"{s}.{n}" for part in parts for s, n in part.reads if s != STAGING}))

    def _compile(self, transform: Rendered) -> None:
        table = self._tables[transform.full_name]
        views = tuple(
            Staging(view.name, view.sql, tuple(f"{s}.{n}" for s, n in view.reads))
            for view in self._views(transform)
        )
        inputs = self._physical(transform)
        queries = {f"{STAGING}.{view.name}": self._queries[f"{STAGING}.{view.name}"] for view in views}
        query = self._queries[transform.full_name]
        try:
            for view in views:
                self._shapes.add_staging(view)
                self._judge(f"{STAGING}.{view.name}", queries[f"{STAGING}.{view.name}"])
            differing = differences(self._shapes.of(transform.sql), self._shapes.promised(table))
            sources = tuple((f"{STAGING}.{view.name}", view.sql) for view in views)
            lineage = _lineage(transform.sql, sources, self._columns_of(inputs)) if not differing else {}
            for place, view in enumerate(views):
                of_view = _lineage(
                    view.sql,
                    sources[:place],
                    self._columns_of(self._physical(self._all[f"{STAGING}.{view.name}"])),
                )
                for sentence in exposed(of_view, self._tables):
                    self._problems.append(f"{STAGING}.{view.name}: {sentence}")
        except ValueError as error:
            self._problems.append(f"{transform.full_name}: {error}")
            return
        if not differing:
            self._judge(transform.full_name, query)
            self._problems += [
                f"{transform.full_name}: {sentence}" for sentence in weaker(table, lineage, self._tables)
            ]
        self._problems += [f"{transform.full_name}: {sentence}" for sentence in differing]
        if table.grain == "day" and all(self._tables[name].grain == "org" for name in inputs):
            self._problems.append(f"{transform.full_name}: of grain day, but nothing that it reads has days")
        below = [self._transforms[name] for name in inputs if name in self._transforms]
        self._transforms[transform.full_name] = Transform(
            layer=table.layer,
            name=table.name,
            sql=transform.sql,
            inputs=inputs,
            staging=views,
            grain=table.grain,
            refresh=table.refresh,
            definition=_definition(query, queries, table, below),
            level=1 + max((m.level for m in below), default=-1),
            columns=tuple(column.name for column in table.columns),
            lineage=lineage,
        )

    def _judge(self, name: str, query: exp.Query) -> None:
        self._problems += [f"{name}: {sentence}" for sentence in self._widths.add(name, query)]

    def _columns_of(self, inputs: Iterable[str]) -> tuple[_Columns, ...]:
        tables = (self._tables[name] for name in inputs)
        return tuple(
            (table.layer, table.name, tuple((c.name, duckdb_type(c.type)) for c in table.columns))
            for table in tables
        )


@lru_cache(maxsize=256)
def _judged(sql: str) -> tuple[exp.Query, list[str]]:
    """A statement parsed, and what it may not say: once for the versions of a project that have it.

    Raises:
        ValueError: one of the engines would not read it.
    """
    query = dialect.parse(sql)
    dialect.athena(query)
    return query, dialect.problems(query)


@lru_cache(maxsize=256)
def _lineage(sql: str, staging: tuple[tuple[str, str], ...], tables: tuple[_Columns, ...]) -> Lineage:
    """Of the columns of a transform over its views and physical tables; once for the versions of a project that have it so.

    Raises:
        ValueError: as `column_lineage` does.
    """
    schema: Schema = {}
    for layer, name, columns in tables:
        schema.setdefault(layer, {})[name] = dict(columns)
    return column_lineage(_judged(sql)[0], {name: _judged(view)[0] for name, view in staging}, schema)


def _definition(
    query: exp.Query, staging: Mapping[str, exp.Query], table: LakeTable, below: Iterable[Transform]
) -> str:
    """Changes with what rows are made of and held to; not with comments and descriptions."""
    document = to_json(table)
    promise: dict[str, Any] = {
        "columns": [(c.name, duckdb_type(c.type), c.required, c.unique) for c in table.columns],
        **{name: document[name] for name in ("grain", "time", "quality")},
    }
    parts = [
        *(f"{name} {part.sql('duckdb', comments=False)}" for name, part in staging.items()),
        query.sql("duckdb", comments=False),
        orjson.dumps(promise).decode(),
        *(transform.definition for transform in below),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
