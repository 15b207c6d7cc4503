"""The border to the database: what a driver raises becomes an error of ours, with its cause kept."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from specola.domain.errors import DatabaseUnavailableError, InvalidError

__all__ = ["connected", "connecting", "working"]

NOT_TEXT = "22021"
"""PostgreSQL's state for a character it does not keep: NUL."""

UNKEPT = "The text has a character that cannot be kept."


@contextmanager
def working() -> Iterator[None]:
    """Translate what says that the database is not there; a wrong statement stays what it is, a fault of ours."""
    try:
        yield
    except PoolTimeoutError as error:
        raise DatabaseUnavailableError("too many are waiting for it") from error
    except DBAPIError as error:
        if error.connection_invalidated or _is_passing(error.orig):
            raise DatabaseUnavailableError(_first_line(error.orig)) from error
        if _is_unkept(error.orig):
            raise InvalidError(UNKEPT) from error
        raise
    except UnicodeEncodeError as error:
        # Half a surrogate pair, which JSON can carry and no database keeps.
        raise InvalidError(UNKEPT) from error


@contextmanager
def connecting() -> Iterator[None]:
    """Translate whatever goes wrong while a connection is made: no server, no such database, no way in."""
    try:
        with working():
            yield
    except (OSError, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailableError(_first_line(error.orig if isinstance(error, DBAPIError) else error)) from error


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open a plain connection, for what is not a transaction of the store."""
    connection = engine.connect()
    with working():
        with connecting():
            _ = await connection.start()
        try:
            yield connection
        finally:
            await connection.close()


def _is_passing(error: BaseException | None) -> bool:
    """Tell whether the driver's own error is about the database being there, not about what was asked of it."""
    if isinstance(error, sqlite3.OperationalError):
        # Busy, full, read-only, input or output: all but the plain "error", which is a wrong statement.
        return error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR
    state = str(getattr(error, "sqlstate", "") or "")
    # Classes of SQLSTATE: connection, resources, operator intervention; and a lock that was not had in time.
    return state[:2] in {"08", "53", "57"} or state in {"55P03", "40P01", "25P03"}


def _is_unkept(error: BaseException | None) -> bool:
    """Tell whether a text had a character that the database does not keep, somewhere down the chain of causes."""
    while error is not None:
        if isinstance(error, UnicodeEncodeError) or getattr(error, "sqlstate", None) == NOT_TEXT:
            return True
        error = error.__cause__
    return False


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
