"""The settings of the environments, from their models."""

from collections.abc import Collection, Iterator, Mapping
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cli.reference.markdown import code, page, table
from millrace.compiler.sources import SourceDefinition
from stacks.environment import ENVIRONMENTS, OF_THIS_MACHINE
from stacks.settings import EnvironmentSettings

LOCAL = "local"
HEAD = ("setting", "is", "default", "where it differs")
Row = tuple[str, str, str, str]


def settings() -> str:
    """The page."""
    return page(
        "# Settings",
        "All that differs between environments is in `stacks/environment.py`, in a function for each; a deploy applies it. A setting of a "
        "part is written `part.setting`. What `local` leaves out, and why: [local.md](../local.md).",
        *_sections(EnvironmentSettings, "", dict(ENVIRONMENTS)),
        "## A source",
        "`schemas/sources/<name>.yaml`. " + _said(SourceDefinition),
        *_source_tables(),
    )


def _source_tables() -> Iterator[str]:
    """What a file of `schemas/sources/` holds, by kind."""
    rows = [*_rows(SourceDefinition, "", {})]
    for name, field in SourceDefinition.model_fields.items():
        if (part := _part(field)) is not None:
            rows += [*_rows(part, f"{name}.", {})]
    yield table(HEAD[:3], (row[:3] for row in rows))


def _sections(model: type[BaseModel], prefix: str, held: Mapping[str, Any]) -> Iterator[str]:
    """The settings of a model and, below headings, of its parts; `held` is an environment's value of the model, if it has one."""
    if prefix:
        yield f"## {prefix.rstrip('.').replace('.', ', ').capitalize()}"
        yield _said(model)
    yield table(HEAD, _rows(model, prefix, held))
    for name, field in model.model_fields.items():
        if (part := _part(field)) is not None:
            values = {env: getattr(one, name) for env, one in held.items() if one is not None}
            yield from _sections(part, f"{prefix}{name}.", values)


def _rows(model: type[BaseModel], prefix: str, held: Mapping[str, Any]) -> Iterator[Row]:
    for name, field in model.model_fields.items():
        values = {env: getattr(one, name) for env, one in held.items() if one is not None}
        if name in OF_THIS_MACHINE:
            values.pop(LOCAL, None)
        if values and values == {env: env for env in values}:
            continue
        if _part(field) is not None:
            # Its own settings follow; here it says where it is left out.
            values = {env: value for env, value in values.items() if value is None}
            if not values:
                continue
        default = "" if field.is_required() or _part(field) is not None else _text(_default(field))
        differing: dict[str, list[str]] = {}
        for env, value in values.items():
            if (text := _text(value)) != default:
                differing.setdefault(text, []).append(env)
        where = "; ".join(f"{code(text)} {', '.join(envs)}" for text, envs in differing.items())
        yield code(prefix + name), field.description or "", code(default), where


def _part(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a setting that has settings of its own."""
    said: Any = field.annotation
    kinds = get_args(said) if isinstance(said, UnionType) else (said,)
    return next((one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _default(field: FieldInfo) -> Any:
    return field.get_default(call_default_factory=True, validated_data={})


def _text(value: Any) -> str:
    if isinstance(value, Collection) and not isinstance(value, str | Mapping):
        names = [str(getattr(one, "name", one)) for one in value]
        return ", ".join(names if isinstance(value, tuple) else sorted(names)) or "(none)"
    return (value or "(empty)") if isinstance(value, str) else repr(value)


def _said(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())
