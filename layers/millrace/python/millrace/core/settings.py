"""A function's settings, one frozen dataclass per function.

The stack builds a function's environment variables from the same class, so a setting that is read is a setting that is
deployed; and the function's rights from what its fields declare (`core.uses`).

No Pydantic here: its import would be a quarter of what a cold start costs beside boto3.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Literal, Self, dataclass_transform, get_args

from millrace.core.errors import PermanentError
from millrace.core.uses import USES, Use, uses

Environment = Literal["local", "dev", "staging", "prod"]
_BOOLS = {"true": True, "false": False}


# Not told to be frozen, though they are: the Protocols that say what of the settings a capability reads would not match.
@dataclass_transform(kw_only_default=True, field_specifiers=(uses,))
class _Frozen:
    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(frozen=True, kw_only=True)(cls)


class FunctionSettings(_Frozen):
    """Common to every function; each function's own fields are added by a subclass beside its handler.

    A field is a str, int, float, bool or a Literal of texts.
    """

    # What the function uses without a variable that names it.
    also_uses: ClassVar[tuple[Use, ...]] = ()

    environment: Environment
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Reads the fields from variables of the same name in upper case.

        Raises:
            PermanentError: a variable is missing or has a value the field does not take.
        """
        return cls.of({name: environ[name.upper()] for name in cls.names() if name.upper() in environ})

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Settings of these values by field, typed or as texts.

        Raises:
            PermanentError: one is missing, of no field, or nothing that its field takes.
        """
        known, wrong = {}, sorted(given.keys() - set(cls.names()))
        for field in fields(cls):
            if field.name in given:
                try:
                    known[field.name] = _typed(field.type, given[field.name])
                except (ValueError, KeyError):
                    wrong.append(field.name)
            elif field.default is MISSING:
                wrong.append(field.name)
        if wrong:
            raise PermanentError(
                f"settings of this function are missing or wrong: {', '.join(wrong).upper()}"
            )
        return cls(**known)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Of the fields."""
        return tuple(field.name for field in fields(cls))

    @classmethod
    def declared_uses(cls) -> dict[str, tuple[Use, ...]]:
        """Field → what is done with the resource that it names. A class adds to what those that it extends declare."""
        declared: dict[str, tuple[Use, ...]] = {}
        for base in reversed([one for one in cls.__mro__ if issubclass(one, FunctionSettings)]):
            for field in fields(base):
                said = field.metadata.get(USES, ())
                declared[field.name] = tuple(dict.fromkeys((*declared.get(field.name, ()), *said)))
        return {name: several for name, several in declared.items() if several}

    def environment_variables(self) -> dict[str, str]:
        """The variables that `from_environment` reads back into an equal object."""
        return {name.upper(): _text(getattr(self, name)) for name in self.names()}


def _typed(kind: Any, value: Any) -> Any:
    if allowed := get_args(kind):
        if value not in allowed:
            raise ValueError(value)
        return value
    return _BOOLS[_text(value)] if kind is bool else kind(value)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
