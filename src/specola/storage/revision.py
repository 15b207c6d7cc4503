"""The revision of the tables: which one this Specola works with, and whether the database has it."""

from sqlalchemy import Connection, inspect, text

from specola.domain.errors import SchemaError

__all__ = ["EXPECTED", "REVISIONS", "TABLE", "require"]

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")
"""All revisions in `migrations/versions`, the oldest first. Listed here, so that looking needs no migration files."""

EXPECTED = REVISIONS[-1]

TABLE = "alembic_version"


def require(connection: Connection, *, at_most: bool = False) -> None:
    """Make sure that the tables are those that this Specola works with.

    Parameters
    ----------
    at_most
        Earlier ones, and none at all, will do.

    Raises
    ------
    SchemaError
        They are of an earlier or a later Specola, or not there.
    """
    found = _found(connection)
    if found == EXPECTED or (at_most and (found is None or found in REVISIONS)):
        return
    raise SchemaError(found or "none", EXPECTED, later=found is not None and found not in REVISIONS)


def _found(connection: Connection) -> str | None:
    if not inspect(connection).has_table(TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {TABLE}")).scalar_one_or_none()  # noqa: S608 - a constant
