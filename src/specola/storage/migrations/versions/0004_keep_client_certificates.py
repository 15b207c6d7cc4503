"""Keep client certificates."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table of the certificates that programs show when they reach a task by TLS."""
    op.create_table(
        "certificate",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=20), nullable=False),
        sa.Column("session", sa.String(length=20), nullable=True),
        sa.Column("token", sa.String(length=20), nullable=True),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["person"], ["person.id"], name=op.f("fk_certificate_person_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session"], ["session.id"], name=op.f("fk_certificate_session_session"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["token"], ["token.id"], name=op.f("fk_certificate_token_token"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_certificate")),
    )
    for column in ("person", "session", "token", "expires"):
        op.create_index(op.f(f"ix_certificate_{column}"), "certificate", [column], unique=False)
