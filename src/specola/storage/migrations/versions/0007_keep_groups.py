"""Keep groups of people."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0007"
down_revision = "0006"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Go from 0006 to 0007."""
    op.create_table(
        "person_group",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_group")),
        sa.UniqueConstraint("name", name=op.f("uq_person_group_name")),
    )
    op.create_table(
        "group_member",
        sa.Column("belongs_to", sa.String(length=20), nullable=False),
        sa.Column("person", sa.String(length=20), nullable=False),
        sa.Column("manages", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["belongs_to"],
            ["person_group.id"],
            name=op.f("fk_group_member_belongs_to_person_group"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person"], ["person.id"], name=op.f("fk_group_member_person_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("belongs_to", "person", name=op.f("pk_group_member")),
    )
    op.create_index(op.f("ix_group_member_person"), "group_member", ["person"], unique=False)
