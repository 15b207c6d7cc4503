"""Keep how tasks are queued, what they wait for, and when they will be ended."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0010"
down_revision = "0009"

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Go from 0008 to 0009; earlier tasks were queued nowhere."""
    for column in (
        sa.Column("placement", JSON, nullable=True),
        sa.Column("raw", sa.String(length=200), nullable=True),
        sa.Column("node", sa.String(length=200), nullable=True),
        sa.Column("forecast", JSON, nullable=True),
        sa.Column("begun", MOMENT, nullable=True),
        sa.Column("deadline", MOMENT, nullable=True),
        sa.Column("warned", sa.Integer(), nullable=True),
    ):
        op.add_column("task", column)
