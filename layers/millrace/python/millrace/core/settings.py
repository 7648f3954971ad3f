"""What a function is told by its environment, as one frozen model per function.

The stack builds a function's environment variables from the same model, so a setting that is read is a
setting that is deployed.
"""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from millrace.core.errors import PermanentError

Environment = Literal["local", "dev", "staging", "prod"]


class FunctionSettings(BaseModel):
    """Common to every function; each function's own fields are added by a subclass beside its handler."""

    # Built when first used: a function uses the last of a line of subclasses, and building each costs a cold start.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

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

    def environment_variables(self) -> dict[str, str]:
        """The variables that `from_environment` reads back into an equal model."""
        values = self.model_dump()
        return {name.upper(): _text(value) for name, value in values.items() if value is not None}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
