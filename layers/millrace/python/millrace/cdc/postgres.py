"""The driver: pg8000 in pure Python, errors as the platform's own. The only module that imports it."""

import socket
import ssl
from collections.abc import Sequence
from typing import Any

import pg8000.native

from millrace.core.errors import PermanentError, RetryableError

CONNECT_SECONDS = 10
# For so long the server may be silent: it decodes a large transaction before it sends the first row of it.
ANSWER_SECONDS = 240
# Classes of SQLSTATE that pass: connection, resources, operator intervention, and a slot that another session reads.
_PASSING = ("08", "53", "57", "58", "40")
_IN_USE = "55006"
_PASSWORD = "28P01"  # noqa: S105  a code


class _WrongPasswordError(PermanentError):
    """Another password may do."""


class PostgresSession:
    """A connection in autocommit (`cdc.database.Session`)."""

    def __init__(self, connection: pg8000.native.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, **values: Any) -> Sequence[Sequence[Any]]:
        """The rows of a statement."""
        try:
            return self._connection.run(sql, **values) or ()
        except pg8000.native.DatabaseError as error:
            raise _mapped(error) from error
        except (pg8000.native.InterfaceError, OSError) as error:
            raise RetryableError(f"the database does not answer: {error}") from error

    def close(self) -> None:
        """Ends it, also where the server has."""
        try:
            self._connection.close()
        except (pg8000.native.InterfaceError, OSError):
            return


def connect(
    *,
    host: str,
    port: int,
    database: str,
    user: str,
    passwords: Sequence[str],
    encrypted: bool = True,
    authorities: str | None = None,
) -> PostgresSession:
    """A session.

    Args:
        host: its name, which the server's certificate must have; one that begins with / is the folder of its socket.
        port: of it.
        database: its name.
        user: who may read the tables and has the attribute REPLICATION.
        passwords: of the user, the newest first: while one is being changed, the one before may still be the server's.
        encrypted: with TLS, whose certificate is verified; a server that has none is refused. Off in `local` only.
        authorities: the certificates that are trusted, as PEM; None: those of the machine.

    Raises:
        RetryableError: it does not answer. PermanentError: it refuses the user, or offers no TLS.
    """
    context: ssl.SSLContext | bool = False
    if encrypted:
        context = ssl.create_default_context(cadata=authorities)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    *others, last = passwords or ("",)
    for password in others:
        try:
            return _session(host, port, database, user, password, context)
        except _WrongPasswordError:
            continue
    return _session(host, port, database, user, last, context)


def _session(
    host: str, port: int, database: str, user: str, password: str, context: ssl.SSLContext | bool
) -> PostgresSession:
    try:
        wire = _wire(host, port)
        try:
            connection = pg8000.native.Connection(
                user,
                host=host,
                database=database,
                password=password,
                ssl_context=context,
                sock=wire,
                application_name="millrace",
            )
        except BaseException:
            wire.close()
            raise
    except pg8000.native.DatabaseError as error:
        raise _mapped(error) from error
    except ssl.SSLError as error:
        raise PermanentError(f"the certificate of {host} is not accepted: {error}") from error
    except pg8000.native.InterfaceError as error:
        if "SSL" in str(error):
            raise PermanentError(f"{host} offers no TLS, which is required outside local") from error
        raise RetryableError(f"the database does not answer: {error}") from error
    except OSError as error:
        raise RetryableError(f"the database does not answer: {error}") from error
    return PostgresSession(connection)


def _wire(host: str, port: int) -> socket.socket:
    """Ours, so that a failed attempt leaves none open, and a long silence has another bound than a connection."""
    if not host.startswith("/"):
        wire = socket.create_connection((host, port), CONNECT_SECONDS)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    else:
        wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        wire.settimeout(CONNECT_SECONDS)
        try:
            wire.connect(f"{host}/.s.PGSQL.{port}")
        except OSError:
            wire.close()
            raise
    wire.settimeout(ANSWER_SECONDS)
    return wire


def _mapped(error: pg8000.native.DatabaseError) -> PermanentError | RetryableError:
    said = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    code, sentence = str(said.get("C", "")), str(said.get("M", error))
    kind: type[PermanentError | RetryableError] = PermanentError
    if code.startswith(_PASSING) or code == _IN_USE:
        kind = RetryableError
    elif code == _PASSWORD:
        kind = _WrongPasswordError
    return kind(f"PostgreSQL {code}: {sentence}")
