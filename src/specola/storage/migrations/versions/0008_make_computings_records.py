"""Keep of computings whose they are, who may use them, what they offer, and what is secret."""

import sqlalchemy as sa
from alembic import op

from specola.storage.schema.base import Json

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Go from 0007 to 0008: what is there is the platform's, and for everybody."""
    added = (
        sa.Column("description", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("owner", sa.String(length=20), nullable=True),
        sa.Column("audience", sa.String(length=10), nullable=False, server_default="everybody"),
        sa.Column("groups", Json, nullable=False, server_default="[]"),
        sa.Column("intake", sa.String(length=10), nullable=False, server_default="open"),
        sa.Column("offer", Json, nullable=False, server_default="{}"),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("secret_names", Json, nullable=False, server_default="[]"),
        sa.Column("revision", sa.String(length=20), nullable=False, server_default=sa.text("''")),
    )
    # Column by column: to make the table anew, as SQLite does for more, would remove leases and orphans with it.
    for column in added:
        op.add_column("computing", column)
