"""Keep public keys of accounts, and the certificates that were issued."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0006"
down_revision = "0005"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Go from 0005 to 0006."""
    op.create_table(
        "public_key",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("person", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("algorithm", sa.String(length=60), nullable=False),
        sa.Column("fingerprint", sa.String(length=60), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("last_used", MOMENT, nullable=True),
        sa.Column("token", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(
            ["person"], ["person.id"], name=op.f("fk_public_key_person_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["token"], ["token.id"], name=op.f("fk_public_key_token_token"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_public_key")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_public_key_fingerprint")),
    )
    op.create_index(op.f("ix_public_key_person"), "public_key", ["person"], unique=False)
    op.create_index(op.f("ix_public_key_token"), "public_key", ["token"], unique=False)
    op.create_table(
        "ssh_certificate",
        sa.Column("serial", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person", sa.String(length=20), nullable=False),
        sa.Column("fingerprint", sa.String(length=60), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sa.Column("session", sa.String(length=20), nullable=True),
        sa.Column("token", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(
            ["person"], ["person.id"], name=op.f("fk_ssh_certificate_person_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session"], ["session.id"], name=op.f("fk_ssh_certificate_session_session"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["token"], ["token.id"], name=op.f("fk_ssh_certificate_token_token"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_ssh_certificate")),
    )
    for column in ("person", "expires", "session", "token"):
        op.create_index(op.f(f"ix_ssh_certificate_{column}"), "ssh_certificate", [column], unique=False)
