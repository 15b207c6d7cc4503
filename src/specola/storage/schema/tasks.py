"""The tables of tasks: records, their events, and the idempotency keys by which they were asked for."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base

__all__ = ["EventRow", "TaskRow", "WishKeyRow"]


class TaskRow(Base):
    """One task. `software` may name an entry that is gone: the record has a copy of what ran.

    The person and the services write `name` and `desired`, the worker all that the computing tells; see `Tasks.save`.
    """

    __tablename__ = "task"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    owner: Mapped[str] = mapped_column(String(20))
    software: Mapped[str | None] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(100))
    release: Mapped[dict[str, Any]]
    computing: Mapped[str] = mapped_column(String(63))
    resources: Mapped[dict[str, Any]]
    placement: Mapped[dict[str, Any] | None]
    environment: Mapped[dict[str, Any]]
    parameters: Mapped[dict[str, Any]]
    again_of: Mapped[str | None] = mapped_column(String(20))
    account: Mapped[str | None] = mapped_column(String(64))
    credential: Mapped[bytes] = mapped_column(LargeBinary)
    created: Mapped[datetime]

    desired: Mapped[str] = mapped_column(String(10))

    image: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[dict[str, Any]]
    since: Mapped[datetime]
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    handle: Mapped[str | None] = mapped_column(String(200))
    exit_code: Mapped[int | None] = mapped_column(Integer)
    interfaces: Mapped[list[Any]]
    seen: Mapped[datetime | None]
    unseen_since: Mapped[datetime | None]
    raw: Mapped[str | None] = mapped_column(String(200))
    node: Mapped[str | None] = mapped_column(String(200))
    forecast: Mapped[dict[str, Any] | None]
    begun: Mapped[datetime | None]
    deadline: Mapped[datetime | None]
    warned: Mapped[int | None] = mapped_column(Integer)

    __table_args__ = (
        Index("ix_task_owner_created_id", "owner", "created", "id"),
        Index("ix_task_created_id", "created", "id"),
        Index("ix_task_computing_state", "computing", "state"),
    )


class EventRow(Base):
    """One entry of a task's history; numbers grow by task and are never used twice."""

    __tablename__ = "event"

    task: Mapped[str] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    code: Mapped[str] = mapped_column(String(60))
    sentence: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]]


class WishKeyRow(Base):
    """An idempotency key of one person, and what it was used for. It outlives its task, so it has no foreign key."""

    __tablename__ = "wish_key"

    owner: Mapped[str] = mapped_column(String(20), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    task: Mapped[str] = mapped_column(String(20))
    created: Mapped[datetime] = mapped_column(index=True)
