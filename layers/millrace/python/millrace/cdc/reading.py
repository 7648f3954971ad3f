"""Databases as sources, read by a function on a schedule or by an operator: the reader with its stores, and what a run says."""

from collections.abc import Callable, Mapping, Sequence

from aws_lambda_powertools.metrics import MetricUnit

from millrace.cdc.postgres import connect
from millrace.cdc.reader import Accepts, Reader, Report, Source
from millrace.cdc.states import STOPPED, States
from millrace.core.errors import PermanentError
from millrace.feeders.binding import Binding

SERVICE, SOURCE = "read_databases", "source"
# As metrics of a source: 1 where it needs a person; how old the oldest change is that waits; what the server keeps for it.
HALTED, BEHIND, LOG = "SourceStopped", "SourceBehindSeconds", "SourceLogBytes"


def reader(
    source: Binding,
    environment: str,
    passwords: Callable[[], Sequence[str]],
    states: States,
    intake: Accepts,
    has_contract: Callable[[str], bool],
) -> Reader:
    """The reader of a source.

    Args:
        source: of kind postgres.
        environment: that it is read for.
        passwords: of its user, the newest first.
        states: how far it is.
        intake: takes the events.
        has_contract: whether there is a contract of an event type.

    Raises:
        PermanentError: the source is of another kind.
    """
    database = source.postgres
    if database is None:
        raise PermanentError(f"{source.name} is of kind {source.kind}: nothing is read from it")
    return Reader(
        Source(source.org, source.name, source.slot(environment), database.publication),
        lambda: connect(
            host=database.host,
            port=database.port,
            database=database.database,
            user=database.user,
            passwords=passwords(),
            encrypted=source.encrypted,
            authorities=database.authorities,
        ),
        states,
        intake,
        has_contract,
    )


def metrics(report: Report) -> Mapping[str, tuple[float, MetricUnit]]:
    """What is watched of a source, from the report of a run that had it."""
    values: dict[str, tuple[float, MetricUnit]] = {
        HALTED: (float(report.status == STOPPED), MetricUnit.Count)
    }
    if report.slot is not None:
        values[BEHIND] = (report.lag_seconds, MetricUnit.Seconds)
        values[LOG] = (float(report.slot.kept_bytes), MetricUnit.Bytes)
    return values
