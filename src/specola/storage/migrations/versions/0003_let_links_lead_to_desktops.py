"""Let guests in by links."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)
ONE_WAY = "(session IS NULL) <> (link IS NULL)"


def upgrade() -> None:
    """Go from 0002 to 0003: codes and entries hang on a session or on a link."""
    op.create_table(
        "view_link",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("task", sa.String(length=20), nullable=False),
        sa.Column("interface", sa.String(length=60), nullable=False),
        sa.Column("person", sa.String(length=20), nullable=False),
        sa.Column("token", sa.String(length=20), nullable=True),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_view_link_person_person"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_view_link_task_task"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["token"], ["token.id"], name=op.f("fk_view_link_token_token"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_view_link")),
        sa.UniqueConstraint("secret", name=op.f("uq_view_link_secret")),
    )
    for column in ("expires", "person", "task", "token"):
        op.create_index(op.f(f"ix_view_link_{column}"), "view_link", [column], unique=False)
    for table in ("code", "entry"):
        with op.batch_alter_table(table) as batch:
            batch.alter_column("session", existing_type=sa.String(length=20), nullable=True)
            batch.add_column(sa.Column("link", sa.String(length=20), nullable=True))
            batch.create_foreign_key(
                op.f(f"fk_{table}_link_view_link"), "view_link", ["link"], ["id"], ondelete="CASCADE"
            )
            batch.create_check_constraint(op.f(f"ck_{table}_one_way"), ONE_WAY)
            batch.create_index(op.f(f"ix_{table}_link"), ["link"], unique=False)
