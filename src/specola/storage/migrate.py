"""Bringing the tables of a database to the revision that this Specola works with."""

import os

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, func, select, text

from specola.domain.errors import DatabaseError
from specola.storage import engine, revision
from specola.storage.border import connected

__all__ = ["configuration", "upgrade"]


async def upgrade(url: str) -> None:
    """Make the tables, or bring them up to date; silent if they are. Several processes may call it at once.

    Parameters
    ----------
    url
        As for `Store`. An SQLite file that is not there is made, for its owner alone.

    Raises
    ------
    SchemaError
        The tables are of a later Specola.
    DatabaseError, DatabaseUnavailableError
        The address cannot be used, or nothing answers there.

    Notes
    -----
    All steps are one transaction, on both databases: after a crash half-way the tables are what they were.
    """
    address = engine.read_url(url)
    _make_file(address)
    migrating = engine.migrating(address)
    try:
        async with connected(migrating) as connection:
            await connection.run_sync(_upgrade)
            await connection.commit()
    finally:
        await migrating.dispose()


def configuration(connection: Connection) -> Config:
    """Return Alembic's settings for our migrations on an open connection."""
    config = Config()
    config.set_main_option("script_location", "specola.storage:migrations")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(engine.WRITE_LOCK)))
    revision.require(connection, at_most=True)
    command.upgrade(configuration(connection), "head")
    if connection.dialect.name == "sqlite":
        # Foreign keys are off while tables are rebuilt, so what they promise is asked once at the end.
        astray = connection.execute(text("PRAGMA foreign_key_check")).first()
        if astray is not None:
            raise DatabaseError(
                f"A row of the table {astray[0]} names a row of {astray[2]} that is not there.",
                hint="Restore the database from a backup, and report this.",
            )


def _make_file(address: URL) -> None:
    file = engine.file_of(address)
    if file is None:
        return
    try:
        # SQLite would make it readable by everybody; the files beside it take its mode.
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise DatabaseError(
            f"The database file {file} cannot be opened: {error.strerror}.",
            hint="Check that its folder exists and who may write there.",
        ) from error
