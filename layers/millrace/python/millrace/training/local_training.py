"""A training on this machine instead of in SageMaker: the same channel, the same job, the same place of its archive."""

from collections.abc import Callable, Mapping

from millrace.training import locations
from millrace.training.container import Outcome
from millrace.training.locations import Channel
from millrace.training.request import ORDER_FILE, ROWS_FILE

ARCHIVE = "output/model.tar.gz"


class LocalTraining:
    """Trains on what is in the lake and leaves there what came of it."""

    def __init__(self, lake: Channel, job: Callable[[Mapping[str, bytes]], Outcome]) -> None:
        """`job` makes an archive of a channel's files."""
        self._lake, self._job = lake, job

    def train(self, run: str, org: str) -> tuple[str, tuple[str, ...]]:
        """Runs the job; once more it writes the same archive.

        Returns:
            Where the archive is, as SageMaker would have named it, and what the job said.

        Raises:
            TrainingError: there is no model; the message says why.
            MillraceError: the lake did not answer, or something killed the job.
        """
        start = locations.train(org, run)
        names = (ORDER_FILE, ROWS_FILE)
        outcome = self._job({name: self._lake.get(self._lake.url(f"{start}{name}")) for name in names})
        key = f"{locations.folder(org, run)}{ARCHIVE}"
        self._lake.put(key, outcome.archive)
        return self._lake.url(key), outcome.log
