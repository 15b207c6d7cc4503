"""What Alembic runs: our tables, on the connection that `specola.storage.migrate` has opened."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON

from specola.storage.revision import TABLE
from specola.storage.schema import Base
from specola.storage.schema.base import Moment

__all__: list[str] = []


def render(kind: str, value: Any, _: Any) -> str | Literal[False]:
    """Write our column types by the names that `script.py.mako` gives them: a migration does not follow the code."""
    if kind == "type" and isinstance(value, Moment):
        return "MOMENT"
    if kind == "type" and isinstance(value, JSON):
        return "DOCUMENT"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=TABLE,
    render_item=render,
    # SQLite cannot alter most of a table: batch mode makes another and copies.
    render_as_batch=True,
    # True of SQLite too, since we say BEGIN ourselves (see specola.storage.engine).
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
