"""The project's models in Athena's dialect, for dbt's target `athena`."""

import re
from pathlib import Path

from millrace.compiler.warehouse import dialect
from millrace.compiler.warehouse.render import Rendered, render

# A name that no table has and that the translation does not change.
_MARK = re.compile(r'"?millrace_(ref|source)"?\."?(\w+)__in__(\w+)"?')


def translate(project_dir: Path) -> None:
    """Rewrites the models of a copy of the project; they no longer use the project's macros.

    Args:
        project_dir: the copy.

    Raises:
        WarehouseError: a model does not render.
        ValueError: a model cannot be translated for Athena.
    """
    for model in render(project_dir, _marked):
        path = project_dir / "models" / model.schema / f"{model.name}.sql"
        path.write_text(model_of(model) + "\n", encoding="utf-8")


def model_of(model: Rendered) -> str:
    """The translated SQL, with its marks turned back into `ref` and `source`."""
    return _MARK.sub(_reference, dialect.athena(dialect.parse(model.sql)))


def _marked(schema: str, name: str) -> str:
    kind = "source" if schema == "silver" else "ref"
    return f"millrace_{kind}.{name}__in__{schema}"


def _reference(match: re.Match[str]) -> str:
    kind, name, schema = match.groups()
    return f"{{{{ source('{schema}', '{name}') }}}}" if kind == "source" else f"{{{{ ref('{name}') }}}}"
