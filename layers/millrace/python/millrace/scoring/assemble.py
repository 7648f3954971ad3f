"""The champions' scores, with their stores."""

from collections.abc import Callable
from typing import Any, Protocol

from millrace.core.aws import client
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.store import ModelStore
from millrace.scoring.champions import Champions
from millrace.scoring.registered import RegisteredChampions


class ChampionSettings(Protocol):
    """Where versions and artifacts of models are."""

    models_table: str
    lake_bucket: str


def champions(settings: ChampionSettings, features: Table, s3: Any, log: Callable[[str], None]) -> Champions:
    """Scores by each tenant's champion.

    Args:
        settings: of the function.
        features: the table of online features.
        s3: the client that artifacts are read with.
        log: takes a line for what goes wrong.
    """
    source = RegisteredChampions(
        ModelStore(Table(client("dynamodb"), settings.models_table)),
        ArtifactFiles(Objects(s3, settings.lake_bucket)),
        features,
    )
    return Champions(source, log)
