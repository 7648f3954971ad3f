"""Runs dbt on a copy of the project, so that nothing is written to the checkout."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.local.programs import run
from cli.warehouse import athena, environment

SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Workspace:
    """A copy of the dbt project in which dbt runs. `database` is its DuckDB file."""

    dbt: Path
    folder: Path
    database: Path

    @property
    def compiled(self) -> Path:
        """Where `dbt compile` puts the models' SQL."""
        return self.folder / "target" / "compiled" / "millrace" / "models"

    @property
    def docs(self) -> Path:
        """Where `dbt docs generate` puts its page."""
        return self.folder / "target"

    def run(self, *command: str) -> None:
        """Runs a command of dbt to its end.

        Raises:
            StepError: it failed; see its log.
        """
        arguments: Sequence[str] = (
            *(str(self.dbt), "--no-use-colors", *command),
            *("--project-dir", str(self.folder), "--profiles-dir", str(self.folder)),
        )
        run(
            arguments,
            cwd=self.folder,
            env=environment.variables(self.database),
            log=self.folder / f"dbt-{command[0]}.log",
            seconds=SECONDS,
            what=f"dbt {' '.join(command)}",
            way_out="The log names the model or test that failed.",
        )


def workspace(
    dbt: Path, project_dir: Path, folder: Path, database: Path, *, for_athena: bool = False
) -> Workspace:
    """A fresh copy of the project.

    Args:
        dbt: the program.
        project_dir: `warehouse/`.
        folder: of the copy; its old content is deleted.
        database: the DuckDB file that dbt builds in.
        for_athena: whether the models are translated, for dbt's target `athena`.
    """
    if folder.exists():
        shutil.rmtree(folder)
    # Not what a user's own dbt has left there.
    shutil.copytree(project_dir, folder, ignore=shutil.ignore_patterns("target", "logs", "*.duckdb"))
    if for_athena:
        athena.translate(folder)
    return Workspace(dbt, folder, database)
