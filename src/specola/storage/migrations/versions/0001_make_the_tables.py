"""Make the tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Go from no tables to 0001: each table after those that it names."""
    _make_attempt()
    _make_change()
    _make_computing()
    _make_person()
    _make_shipped()
    _make_software()
    _make_task()
    _make_wish_key()
    _make_event()
    _make_invitation()
    _make_lease()
    _make_link()
    _make_orphan()
    _make_release()
    _make_session()
    _make_token()
    _make_traffic()
    _make_code()
    _make_entry()


def _make_attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_attempt")),
    )
    op.create_index(op.f("ix_attempt_last"), "attempt", ["last"], unique=False)


def _make_change() -> None:
    op.create_table(
        "change",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("topic", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("owner", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_change")),
    )
    op.create_index(op.f("ix_change_at"), "change", ["at"], unique=False)


def _make_computing() -> None:
    op.create_table(
        "computing",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("settings", DOCUMENT, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("asked", MOMENT, nullable=True),
        sa.Column("probe", DOCUMENT, nullable=True),
        sa.Column("unreachable_since", MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_computing")),
        sa.UniqueConstraint("name", name=op.f("uq_computing_name")),
    )


def _make_person() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("full_name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("disabled", MOMENT, nullable=True),
        sa.Column("last_seen", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("name", name=op.f("uq_person_name")),
        sa.UniqueConstraint("number", name=op.f("uq_person_number")),
    )


def _make_shipped() -> None:
    op.create_table(
        "shipped",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_shipped")),
    )


def _make_software() -> None:
    op.create_table(
        "software",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("owner", sa.String(length=20), nullable=True),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("needs_registry", sa.Boolean(), nullable=False),
        sa.Column("tags", DOCUMENT, nullable=False),
        sa.Column("homepage", sa.String(length=1000), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_software")),
        sa.UniqueConstraint("owner", "name", name=op.f("uq_software_owner_name")),
    )
    op.create_index(op.f("ix_software_name"), "software", ["name"], unique=False)
    op.create_index(op.f("ix_software_owner"), "software", ["owner"], unique=False)
    op.create_index(
        "uq_software_installation_name",
        "software",
        ["name"],
        unique=True,
        sqlite_where=sa.text("owner IS NULL"),
        postgresql_where=sa.text("owner IS NULL"),
    )


def _make_task() -> None:
    op.create_table(
        "task",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("owner", sa.String(length=20), nullable=False),
        sa.Column("software", sa.String(length=20), nullable=True),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("release", DOCUMENT, nullable=False),
        sa.Column("computing", sa.String(length=63), nullable=False),
        sa.Column("resources", DOCUMENT, nullable=False),
        sa.Column("environment", DOCUMENT, nullable=False),
        sa.Column("parameters", DOCUMENT, nullable=False),
        sa.Column("again_of", sa.String(length=20), nullable=True),
        sa.Column("credential", sa.LargeBinary(), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("desired", sa.String(length=10), nullable=False),
        sa.Column("image", DOCUMENT, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", DOCUMENT, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("started", MOMENT, nullable=True),
        sa.Column("ended", MOMENT, nullable=True),
        sa.Column("handle", sa.String(length=200), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("interfaces", DOCUMENT, nullable=False),
        sa.Column("seen", MOMENT, nullable=True),
        sa.Column("unseen_since", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    op.create_index("ix_task_computing_state", "task", ["computing", "state"], unique=False)
    op.create_index("ix_task_created_id", "task", ["created", "id"], unique=False)
    op.create_index("ix_task_owner_created_id", "task", ["owner", "created", "id"], unique=False)


def _make_wish_key() -> None:
    op.create_table(
        "wish_key",
        sa.Column("owner", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("task", sa.String(length=20), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_wish_key")),
    )
    op.create_index(op.f("ix_wish_key_created"), "wish_key", ["created"], unique=False)


def _make_event() -> None:
    op.create_table(
        "event",
        sa.Column("task", sa.String(length=20), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("data", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_event_task_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task", "sequence", name=op.f("pk_event")),
    )


def _make_invitation() -> None:
    op.create_table(
        "invitation",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("invited_by", sa.String(length=20), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sa.Column("accepted_by", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(
            ["accepted_by"], ["person.id"], name=op.f("fk_invitation_accepted_by_person"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["person.id"], name=op.f("fk_invitation_invited_by_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("secret", name=op.f("uq_invitation_secret")),
    )


def _make_lease() -> None:
    op.create_table(
        "lease",
        sa.Column("computing", sa.String(length=63), nullable=False),
        sa.Column("holder", sa.String(length=100), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["computing"], ["computing.name"], name=op.f("fk_lease_computing_computing"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("computing", name=op.f("pk_lease")),
    )


def _make_link() -> None:
    op.create_table(
        "link",
        sa.Column("person", sa.String(length=20), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_link_person_person"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_link")),
        sa.UniqueConstraint("secret", name=op.f("uq_link_secret")),
    )


def _make_orphan() -> None:
    op.create_table(
        "orphan",
        sa.Column("computing", sa.String(length=63), nullable=False),
        sa.Column("task", sa.String(length=63), nullable=False),
        sa.Column("handle", sa.String(length=200), nullable=False),
        sa.Column("unwanted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["computing"], ["computing.name"], name=op.f("fk_orphan_computing_computing"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("computing", "task", name=op.f("pk_orphan")),
    )


def _make_release() -> None:
    op.create_table(
        "release",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("software", sa.String(length=20), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=80), nullable=False),
        sa.Column("body", DOCUMENT, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["software"], ["software.id"], name=op.f("fk_release_software_software"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release")),
        sa.UniqueConstraint("software", "version", name=op.f("uq_release_software_version")),
    )


def _make_session() -> None:
    op.create_table(
        "session",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("person", sa.String(length=20), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("last_seen", MOMENT, nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sa.Column("client", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_session_person_person"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("secret", name=op.f("uq_session_secret")),
    )
    op.create_index(op.f("ix_session_expires"), "session", ["expires"], unique=False)
    op.create_index(op.f("ix_session_person"), "session", ["person"], unique=False)


def _make_token() -> None:
    op.create_table(
        "token",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("person", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("scopes", DOCUMENT, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("expires", MOMENT, nullable=True),
        sa.Column("last_used", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_token_person_person"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("person", "name", name=op.f("uq_token_person_name")),
        sa.UniqueConstraint("secret", name=op.f("uq_token_secret")),
    )
    op.create_index(op.f("ix_token_expires"), "token", ["expires"], unique=False)


def _make_traffic() -> None:
    op.create_table(
        "traffic",
        sa.Column("task", sa.String(length=20), nullable=False),
        sa.Column("interface", sa.String(length=60), nullable=False),
        sa.Column("person", sa.String(length=20), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.Column("last_used", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_traffic_task_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task", "interface", "person", name=op.f("pk_traffic")),
    )


def _make_code() -> None:
    op.create_table(
        "code",
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("session", sa.String(length=20), nullable=False),
        sa.Column("task", sa.String(length=20), nullable=False),
        sa.Column("interface", sa.String(length=60), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=300), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["session"], ["session.id"], name=op.f("fk_code_session_session"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_code_task_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("secret", name=op.f("pk_code")),
    )
    op.create_index(op.f("ix_code_expires"), "code", ["expires"], unique=False)
    op.create_index(op.f("ix_code_session"), "code", ["session"], unique=False)
    op.create_index(op.f("ix_code_task"), "code", ["task"], unique=False)


def _make_entry() -> None:
    op.create_table(
        "entry",
        sa.Column("cookie", sa.String(length=64), nullable=False),
        sa.Column("session", sa.String(length=20), nullable=False),
        sa.Column("task", sa.String(length=20), nullable=False),
        sa.Column("interface", sa.String(length=60), nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["session"], ["session.id"], name=op.f("fk_entry_session_session"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_entry_task_task"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("cookie", name=op.f("pk_entry")),
    )
    op.create_index("ix_entry_session_task_interface", "entry", ["session", "task", "interface"], unique=False)
    op.create_index(op.f("ix_entry_task"), "entry", ["task"], unique=False)
