"""A function's settings, one frozen model per function.

The stack builds a function's environment variables from the same model, so a setting that is read is a setting that is
deployed; and the function's rights from what its fields declare (`core.uses`).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from millrace.core.errors import PermanentError
from millrace.core.uses import Use

Environment = Literal["local", "dev", "staging", "prod"]


class FunctionSettings(BaseModel):
    """Common to every function; each function's own fields are added by a subclass beside its handler."""

    # Built when first used: a function uses the last of a line of subclasses, and building each costs a cold start.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

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
        given = {name: environ[name.upper()] for name in cls.model_fields if name.upper() in environ}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            fields = ", ".join(str(item["loc"][0]).upper() for item in error.errors())
            raise PermanentError(f"settings of this function are missing or wrong: {fields}") from error

    @classmethod
    def declared_uses(cls) -> dict[str, tuple[Use, ...]]:
        """Field → what is done with the resource that it names. A class adds to what those that it extends declare."""
        declared: dict[str, tuple[Use, ...]] = {}
        for base in reversed([one for one in cls.__mro__ if issubclass(one, FunctionSettings)]):
            for name, field in base.model_fields.items():
                extra: Any = field.json_schema_extra or {}
                declared[name] = tuple(dict.fromkeys((*declared.get(name, ()), *extra.get("uses", ()))))
        return {name: several for name, several in declared.items() if several}

    def environment_variables(self) -> dict[str, str]:
        """The variables that `from_environment` reads back into an equal model."""
        values = self.model_dump()
        return {name.upper(): _text(value) for name, value in values.items() if value is not None}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
