"""Why a query has no answer. `code` is for programs, the message for people."""

from millrace.core.errors import PermanentError


class QueryError(PermanentError):
    """Root of them."""

    code = "sql"


class SqlError(QueryError):
    """The statement is wrong, or names what is not there."""


class RefusedQueryError(QueryError):
    """The statement does more than read the tables that its caller may read."""

    code = "refused"


class TooLargeQueryError(QueryError):
    """It would read or hold more than one query may."""

    code = "too_large"


class SlowQueryError(QueryError):
    """It did not end in time."""

    code = "timeout"


class CancelledQueryError(QueryError):
    """Its caller cancelled it."""

    code = "cancelled"


class BusyQueryError(QueryError):
    """Its tenant has as many queries running as it may."""

    code = "busy"


class QueryIdTakenError(QueryError):
    """A query of that id is running."""

    code = "id_taken"


KINDS: dict[str, type[QueryError]] = {
    one.code: one
    for one in (
        SqlError,
        RefusedQueryError,
        TooLargeQueryError,
        SlowQueryError,
        CancelledQueryError,
        BusyQueryError,
        QueryIdTakenError,
    )
}
