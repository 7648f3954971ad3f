"""A setting of an environment that is wrong, said in a sentence with its name and what is allowed."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from millrace.compiler.sentences import sentences
from millrace.core.errors import PermanentError

FILE = "stacks/environment.py"
_MEANINGS = {
    **dict.fromkeys(
        ("hourly", "daily", "weekly", "maintenance", "seal", "canary"),
        "a schedule is cron(…) or rate(…), such as rate(15 minutes), in UTC",
    ),
    "lineage_url": "it is empty, or an http or https address without a user",
    "lineage_key": "it is empty, or the name of a parameter, such as /millrace/dev/lineage-key",
    "tracking_uri": "it is empty, an http or https address, or the ARN of an MLflow App",
    "instance_type": "an instance is such as ml.m5.xlarge",
    "name": "a reader is called in letters, digits and -, such as Analysts",
    "org": "a tenant is in small letters, such as org_acme",
}


class SettingsError(PermanentError, ValueError):
    """A setting, a context value (`-c name=value`) or a variable of `make` that cannot be deployed; a line each."""


def wrong_settings(error: ValidationError, root: type[BaseModel]) -> SettingsError:
    """What is wrong with the settings that were being made.

    Args:
        error: of a model of settings.
        root: the model that holds all others.
    """
    prefix, model = _parts(root, "").get(error.title, (f"{error.title}.", root))
    line = _line(error)
    lines = []
    for pointer, sentence in sentences(error, None, model, _MEANINGS):
        name = f"{prefix}{pointer.lstrip('/').replace('/', '.')}".rstrip(".")
        lines.append(f"{FILE}{line and f':{line}'} {name}: {sentence}")
    return SettingsError("\n".join(lines))


def _parts(model: type[BaseModel], prefix: str) -> Mapping[str, tuple[str, type[BaseModel]]]:
    """The name of each model → what stands before its settings, and the model."""
    models = {model.__name__: (prefix, model)}
    for name, field in model.model_fields.items():
        for kind in _kinds(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                models |= _parts(kind, f"{prefix}{name}.")
    return models


def _kinds(annotation: Any) -> tuple[Any, ...]:
    return (
        get_args(annotation) if isinstance(annotation, UnionType) or get_args(annotation) else (annotation,)
    )


def _line(error: ValidationError) -> str:
    """Of the settings that were being made."""
    number, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(FILE):
            number = str(trace.tb_lineno)
        trace = trace.tb_next
    return number
