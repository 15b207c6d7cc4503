"""Keep the ports found in running tasks."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Go from 0004 to 0005."""
    op.create_table(
        "found_port",
        sa.Column("task", sa.String(length=20), nullable=False),
        sa.Column("port", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("protocol", sa.String(length=10), nullable=False),
        sa.Column("loopback", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_found_port_task_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task", "port", name=op.f("pk_found_port")),
    )
