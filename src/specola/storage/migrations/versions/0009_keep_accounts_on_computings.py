"""Keep whose accounts on computings are whose, keys for them, what was signed, and a task's account."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0009"
down_revision = "0008"

MOMENT = sa.DateTime(timezone=True)
PROVEN = sa.text("proof IS NOT NULL")


def upgrade() -> None:
    """Go from 0008 to 0009."""
    _add_links()
    _add_keys()
    op.create_table(
        "account_signature",
        sa.Column("serial", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("computing", sa.String(length=63), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=20), nullable=False),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.Column("fingerprint", sa.String(length=60), nullable=False),
        sa.Column("request", sa.String(length=40), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_account_signature")),
    )
    for column in ("computing", "created"):
        op.create_index(op.f(f"ix_account_signature_{column}"), "account_signature", [column], unique=False)
    op.add_column("task", sa.Column("account", sa.String(length=64), nullable=True))


def _add_links() -> None:
    op.create_table(
        "account_link",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("person", sa.String(length=20), nullable=False),
        sa.Column("computing", sa.String(length=20), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("proof", sa.String(length=10), nullable=True),
        sa.Column("proven", MOMENT, nullable=True),
        sa.Column("entered_by", sa.String(length=20), nullable=True),
        sa.Column("challenge", sa.String(length=64), nullable=False),
        sa.Column("challenge_ends", MOMENT, nullable=True),
        sa.Column("last_used", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["person"], ["person.id"], name=op.f("fk_account_link_person_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["computing"], ["computing.id"], name=op.f("fk_account_link_computing_computing"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_link")),
        sa.UniqueConstraint("person", "computing", name=op.f("uq_account_link_person_computing")),
    )
    op.create_index(
        "ix_account_link_computing_account_proven",
        "account_link",
        ["computing", "account"],
        unique=True,
        sqlite_where=PROVEN,
        postgresql_where=PROVEN,
    )


def _add_keys() -> None:
    op.create_table(
        "account_key",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("computing", sa.String(length=20), nullable=False),
        sa.Column("person", sa.String(length=20), nullable=True),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["computing"], ["computing.id"], name=op.f("fk_account_key_computing_computing"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person"], ["person.id"], name=op.f("fk_account_key_person_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_key")),
    )
    for column in ("computing", "person"):
        op.create_index(op.f(f"ix_account_key_{column}"), "account_key", [column], unique=False)
